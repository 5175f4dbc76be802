output "values_yaml" {
  description = "For `helm install --values`."
  value       = module.esker.values_yaml
}

output "external_secret_yaml" {
  description = "For `kubectl apply`: has External Secrets keep the database's password in the Secret that the values name."
  value = yamlencode({
    apiVersion = "external-secrets.io/v1"
    kind       = "ExternalSecret"
    metadata = {
      name      = module.esker.values.metastore.passwordSecret.name
      namespace = var.namespace
    }
    spec = {
      # RDS changes the password every seven days. New connections fail until the new one has arrived.
      refreshInterval = "1m"
      secretStoreRef  = { kind = "ClusterSecretStore", name = var.secret_store_name }
      target          = { name = module.esker.values.metastore.passwordSecret.name }
      data = [{
        secretKey = module.esker.values.metastore.passwordSecret.key
        remoteRef = { key = module.esker.database_secret_arn, property = "password" }
      }]
    }
  })
}

output "secret_reader_policy_arn" {
  description = "Attach it to the role with which External Secrets reads."
  value       = module.esker.secret_reader_policy_arn
}

output "database_secret_arn" {
  description = "Where RDS keeps the password."
  value       = module.esker.database_secret_arn
}
