locals {
  bucket_url = join("/", compact(["s3:/", aws_s3_bucket.records.bucket, var.bucket_prefix]))
}

output "agent_policy_json" {
  description = "What the agents' user may do: for `mc admin policy create`."
  value       = module.agent_policy.json
}

output "environment" {
  description = "Settings for `esker agent` outside Kubernetes, beside the user's AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY."
  value = {
    AWS_ENDPOINT_URL = var.endpoint
    AWS_REGION       = var.region
    ESKER_BUCKET_URL = local.bucket_url
  }
}

output "values_yaml" {
  description = "The bucket's part of the values for `helm install --values`."
  value = yamlencode({
    bucket = {
      url               = local.bucket_url
      region            = var.region
      endpoint          = var.endpoint
      credentialsSecret = { name = var.credentials_secret_name }
    }
  })
}
