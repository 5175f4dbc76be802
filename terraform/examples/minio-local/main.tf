# A bucket on a MinIO, or another S3-compatible server, that runs on this machine or in the same network; and what a user of
# that server must be allowed to be an agent.
#
#   export AWS_ACCESS_KEY_ID=… AWS_SECRET_ACCESS_KEY=…     # of an administrator of the server
#   terraform init
#   terraform apply
#   terraform output -raw agent_policy_json >esker.json
#   mc admin policy create local esker esker.json
#
# The keys come from the environment, so that they are in no file and not in the state. MinIO has no IAM of AWS, so
# the policy's user is made with MinIO's own tool. MinIO encrypts and refuses plain HTTP by its own settings, not by
# requests about the bucket: nothing of that is here.

terraform {
  required_version = ">= 1.9"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 5.100"
    }
  }
}

provider "aws" {
  region = var.region

  # The server is no AWS: nothing else is asked than S3.
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  skip_region_validation      = true
  skip_requesting_account_id  = true
  s3_use_path_style           = true

  endpoints {
    s3 = var.endpoint
  }
}

resource "aws_s3_bucket" "records" {
  bucket        = var.bucket_name
  force_destroy = var.force_destroy
}

# No lifecycle rules: MinIO ends uploads in parts that nobody finished by itself, after a day, and the provider waits in vain
# for an answer about rules that only AWS gives. Without a rule that ends old versions, versioning would keep everything
# for ever: it stays off. Have both, if you want them, with `mc version` and `mc ilm`.

# The same document as on AWS.
module "agent_policy" {
  source = "../../modules/agent-policy"

  bucket = var.bucket_name
  prefix = var.bucket_prefix
}
