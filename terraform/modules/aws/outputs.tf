locals {
  secret_arn = one(aws_db_instance.metastore.master_user_secret[*].secret_arn)

  bucket_url = join("/", compact(["s3:/", var.bucket_name, var.bucket_prefix]))

  metastore_url = format(
    "postgres://%s@%s:%d/%s?sslmode=verify-full",
    var.database_username, aws_db_instance.metastore.address, local.database_port, var.database_name,
  )

  # Names and nesting are those of the chart. Only what the chart must be told.
  values = {
    metastore = {
      url            = local.metastore_url
      passwordSecret = { name = var.password_secret_name, key = var.password_secret_key }
      caConfigMap    = { name = var.ca_config_map_name, key = var.ca_config_map_key }
    }
    bucket = {
      url    = local.bucket_url
      region = local.region
    }
    serviceAccount = {
      create      = true
      name        = var.service_account_name
      annotations = var.identity == "irsa" ? { "eks.amazonaws.com/role-arn" = aws_iam_role.agents.arn } : {}
    }
  }
}

output "values" {
  description = "Values for the chart `helm/esker`. No secret is in them."
  value       = local.values
}

output "values_yaml" {
  description = "The same as a file for `helm --values`."
  value       = yamlencode(local.values)
}

output "bucket_url" {
  description = "`bucket_url` for agents."
  value       = local.bucket_url
}

output "bucket_name" {
  description = "Name of the bucket."
  value       = aws_s3_bucket.records.bucket
}

output "metastore_url" {
  description = "`metastore_url` for agents, without the password."
  value       = local.metastore_url
}

output "database_instance_id" {
  description = "Identifier of the RDS instance."
  value       = aws_db_instance.metastore.identifier
}

output "database_secret_arn" {
  description = "The secret in Secrets Manager that RDS keeps: JSON with `username` and `password`."
  value       = local.secret_arn
}

output "database_security_group_id" {
  description = "Security group of the database, for further rules."
  value       = aws_security_group.metastore.id
}

output "role_arn" {
  description = "Role of the agents."
  value       = aws_iam_role.agents.arn
}

output "agent_policy_json" {
  description = "What that role may do with the bucket."
  value       = module.agent_policy.json
}

output "secret_reader_policy_arn" {
  description = "Policy that allows to read the secret; null without `secret_reader`."
  value       = one(aws_iam_policy.secret_reader[*].arn)
}

output "s3_endpoint_id" {
  description = "The S3 gateway endpoint; null without `route_table_ids`."
  value       = one(aws_vpc_endpoint.s3[*].id)
}
