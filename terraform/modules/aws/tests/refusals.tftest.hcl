# Wrong input is refused before anything is made, each variable by itself: every one of a run's variables must fail.
# That a refusal is a sentence that names its variable is checked by tests/terraform.

mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  bucket_name                        = "records-of-esker"
  vpc_id                             = "vpc-0a1b2c3d"
  database_subnet_ids                = ["subnet-0a1b2c3d", "subnet-1a1b2c3d"]
  database_client_security_group_ids = ["sg-0a1b2c3d"]
  oidc_provider_arn                  = "arn:aws:iam::111122223333:oidc-provider/oidc.eks.eu-west-1.amazonaws.com/id/ABC"
}

run "wrong_form" {
  command = plan

  variables {
    name                        = "Esker"
    bucket_name                 = "my.bucket"
    bucket_prefix               = "/esker"
    bucket_encryption           = "none"
    bucket_versioning           = "On"
    bucket_noncurrent_days      = 0
    vpc_id                      = "prod"
    route_table_ids             = ["main"]
    database_subnet_ids         = ["a", "b"]
    database_client_cidr_blocks = ["10.0.0.0"]
    database_engine_version     = "latest"
    database_instance_class     = "m7g.large"
    database_storage_gib        = 10
    database_backup_days        = 0
    database_name               = "Esker"
    database_username           = "Esker"
    identity                    = "keys"
    namespace                   = "Esker"
    service_account_name        = "Esker"
  }

  expect_failures = [
    var.name,
    var.bucket_name,
    var.bucket_prefix,
    var.bucket_encryption,
    var.bucket_versioning,
    var.bucket_noncurrent_days,
    var.vpc_id,
    var.route_table_ids,
    var.database_subnet_ids,
    var.database_client_cidr_blocks,
    var.database_engine_version,
    var.database_instance_class,
    var.database_storage_gib,
    var.database_backup_days,
    var.database_name,
    var.database_username,
    var.identity,
    var.namespace,
    var.service_account_name,
  ]
}

run "too_wide_too_old_reserved" {
  command = plan

  variables {
    name                        = "a--b"
    bucket_prefix               = "a*"
    database_subnet_ids         = ["subnet-0a1b2c3d"]
    database_client_cidr_blocks = ["0.0.0.0/0"]
    database_engine_version     = "14.9"
    database_storage_gib_max    = 20
    database_backup_days        = 36
    database_username           = "rdsadmin"
    namespace                   = "*"
    service_account_name        = "*"
  }

  expect_failures = [
    var.name,
    var.bucket_prefix,
    var.database_subnet_ids,
    var.database_client_cidr_blocks,
    var.database_engine_version,
    var.database_storage_gib_max,
    var.database_backup_days,
    var.database_username,
    var.namespace,
    var.service_account_name,
  ]
}

run "one_without_the_other" {
  command = plan

  variables {
    bucket_kms_key_arn                 = "arn:aws:kms:eu-west-1:111122223333:key/k"
    database_client_security_group_ids = []
    oidc_provider_arn                  = null
  }

  expect_failures = [
    var.bucket_kms_key_arn,
    var.database_client_security_group_ids,
    var.oidc_provider_arn,
  ]
}

run "the_other_without_the_one" {
  command = plan

  variables {
    bucket_encryption                  = "aws:kms"
    identity                           = "pod-identity"
    database_client_security_group_ids = ["nodes"]
  }

  expect_failures = [
    var.bucket_kms_key_arn,
    var.eks_cluster_name,
    var.database_client_security_group_ids,
  ]
}
