# Everything that Esker needs on AWS beside a Kubernetes cluster, which is there already, and the values for the chart.
#
#   terraform init
#   terraform apply -var-file=my.tfvars
#   terraform output -raw values_yaml >values.yaml
#   terraform output -raw external_secret_yaml >external-secret.yaml
#
# ../../README.md goes on from there.

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
}

module "esker" {
  source = "../../modules/aws"

  name = var.name
  tags = { Application = "esker", Cluster = var.name }

  bucket_name       = var.bucket_name
  bucket_versioning = "Enabled"

  vpc_id          = var.vpc_id
  route_table_ids = var.route_table_ids

  database_subnet_ids                = var.database_subnet_ids
  database_client_security_group_ids = var.client_security_group_ids
  database_instance_class            = var.database_instance_class
  database_deletion_protection       = var.protect
  database_final_snapshot            = var.protect

  oidc_provider_arn = var.oidc_provider_arn
  namespace         = var.namespace

  secret_reader = true
}
