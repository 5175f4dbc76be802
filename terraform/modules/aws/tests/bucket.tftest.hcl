# The bucket is private and encrypted, and no rule of it deletes live records.

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

run "private" {
  assert {
    condition = alltrue([
      aws_s3_bucket_public_access_block.records.block_public_acls,
      aws_s3_bucket_public_access_block.records.block_public_policy,
      aws_s3_bucket_public_access_block.records.ignore_public_acls,
      aws_s3_bucket_public_access_block.records.restrict_public_buckets,
    ])
    error_message = "All four kinds of public access must be blocked."
  }

  assert {
    condition     = aws_s3_bucket_ownership_controls.records.rule[0].object_ownership == "BucketOwnerEnforced"
    error_message = "ACLs must be off."
  }

  assert {
    condition = jsondecode(aws_s3_bucket_policy.records.policy) == {
      Version = "2012-10-17"
      Statement = [{
        Sid       = "TlsOnly"
        Effect    = "Deny"
        Principal = "*"
        Action    = "s3:*"
        Resource  = ["arn:aws:s3:::records-of-esker", "arn:aws:s3:::records-of-esker/*"]
        Condition = { Bool = { "aws:SecureTransport" = "false" } }
      }]
    }
    error_message = "The bucket's policy must refuse everything without TLS, and allow nothing."
  }

  assert {
    condition     = !aws_s3_bucket.records.force_destroy
    error_message = "A bucket with records must not be destroyed by default."
  }
}

run "encrypted_by_s3" {
  assert {
    condition     = one(aws_s3_bucket_server_side_encryption_configuration.records.rule).apply_server_side_encryption_by_default[0].sse_algorithm == "AES256"
    error_message = "By default S3 must encrypt with its own key."
  }

  assert {
    condition     = one(aws_s3_bucket_server_side_encryption_configuration.records.rule).bucket_key_enabled == false
    error_message = "There is no bucket key without KMS."
  }
}

run "encrypted_by_kms" {
  variables {
    bucket_encryption  = "aws:kms"
    bucket_kms_key_arn = "arn:aws:kms:eu-west-1:111122223333:key/k"
  }

  assert {
    condition     = one(aws_s3_bucket_server_side_encryption_configuration.records.rule).apply_server_side_encryption_by_default[0].kms_master_key_id == "arn:aws:kms:eu-west-1:111122223333:key/k"
    error_message = "The bucket must encrypt with the key that was named."
  }

  assert {
    condition     = one(aws_s3_bucket_server_side_encryption_configuration.records.rule).bucket_key_enabled
    error_message = "Without a bucket key each request pays for one of KMS."
  }
}

run "nothing_expires" {
  assert {
    condition     = [for rule in aws_s3_bucket_lifecycle_configuration.records.rule : rule.id] == ["abort-uploads"]
    error_message = "Without versions the only rule is that for uploads that nobody finished."
  }

  assert {
    condition = alltrue([
      for rule in aws_s3_bucket_lifecycle_configuration.records.rule :
      length(rule.expiration) == 0 && length(rule.transition) == 0 && length(rule.noncurrent_version_expiration) == 0
    ])
    error_message = "No rule may delete or move an object."
  }

  assert {
    condition     = one(aws_s3_bucket_lifecycle_configuration.records.rule).abort_incomplete_multipart_upload[0].days_after_initiation == 1
    error_message = "Uploads that nobody finished must end after a day."
  }

  assert {
    condition     = aws_s3_bucket_versioning.records.versioning_configuration[0].status == "Disabled"
    error_message = "Versions are off unless they are asked for."
  }
}

run "only_old_versions_expire" {
  variables {
    bucket_versioning      = "Enabled"
    bucket_noncurrent_days = 3
  }

  assert {
    condition     = aws_s3_bucket_versioning.records.versioning_configuration[0].status == "Enabled"
    error_message = "Versions must be on."
  }

  assert {
    condition     = aws_s3_bucket_lifecycle_configuration.records.rule[1].noncurrent_version_expiration[0].noncurrent_days == 3
    error_message = "Deleted versions must go after the days that were said."
  }

  assert {
    condition = alltrue(flatten([
      for rule in aws_s3_bucket_lifecycle_configuration.records.rule : [
        for expiration in rule.expiration : expiration.days == null && expiration.date == null && expiration.expired_object_delete_marker == true
      ]
    ]))
    error_message = "What expires may be delete markers and old versions, never an object by its age."
  }

  assert {
    condition     = alltrue([for rule in aws_s3_bucket_lifecycle_configuration.records.rule : length(rule.transition) == 0])
    error_message = "No rule may move an object to another storage class."
  }
}

run "versions_from_before_still_go" {
  variables {
    bucket_versioning = "Suspended"
  }

  assert {
    condition     = length(aws_s3_bucket_lifecycle_configuration.records.rule) == 2
    error_message = "Where versions were on once, the old ones must still expire."
  }
}
