# The bucket: encrypted, private, over TLS only. What no rule here may ever do is to delete an object that Esker
# wrote and did not delete: an object with live records may be years old. The metastore knows what is needed; age
# does not.

resource "aws_s3_bucket" "records" {
  bucket        = var.bucket_name
  force_destroy = var.bucket_force_destroy
  tags          = var.tags
}

resource "aws_s3_bucket_ownership_controls" "records" {
  bucket = aws_s3_bucket.records.id

  rule {
    # No ACLs: what is not in a policy is not allowed.
    object_ownership = "BucketOwnerEnforced"
  }
}

resource "aws_s3_bucket_public_access_block" "records" {
  bucket = aws_s3_bucket.records.id

  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_server_side_encryption_configuration" "records" {
  bucket = aws_s3_bucket.records.id

  rule {
    apply_server_side_encryption_by_default {
      sse_algorithm     = var.bucket_encryption
      kms_master_key_id = var.bucket_kms_key_arn
    }
    # One request to KMS for many objects: without it each PUT and GET would pay for one.
    bucket_key_enabled = var.bucket_encryption == "aws:kms"
  }
}

resource "aws_s3_bucket_versioning" "records" {
  bucket = aws_s3_bucket.records.id

  versioning_configuration {
    status = var.bucket_versioning
  }
}

resource "aws_s3_bucket_lifecycle_configuration" "records" {
  bucket = aws_s3_bucket.records.id

  # Agents upload each object with one request. What a copy or a restore with other tools began in parts and left
  # behind would be paid for ever.
  rule {
    id     = "abort-uploads"
    status = "Enabled"

    filter {
      prefix = ""
    }

    abort_incomplete_multipart_upload {
      days_after_initiation = 1
    }
  }

  # Versions exist of objects that Esker deleted, or that somebody else replaced or deleted: never of live ones.
  # `Suspended` keeps the rule, for the versions from before.
  dynamic "rule" {
    for_each = var.bucket_versioning == "Disabled" ? [] : ["noncurrent"]

    content {
      id     = "expire-noncurrent-versions"
      status = "Enabled"

      filter {
        prefix = ""
      }

      noncurrent_version_expiration {
        noncurrent_days = var.bucket_noncurrent_days
      }

      expiration {
        # Removes delete markers that no version stands behind any more; it has neither days nor a date.
        expired_object_delete_marker = true
      }
    }
  }

  # S3 takes rules about versions for a bucket that has them.
  depends_on = [aws_s3_bucket_versioning.records]
}

resource "aws_s3_bucket_policy" "records" {
  bucket = aws_s3_bucket.records.id
  policy = local.bucket_policy

  # S3 answers 409 when both change at once.
  depends_on = [aws_s3_bucket_public_access_block.records]
}

locals {
  bucket_arn = "arn:${local.partition}:s3:::${var.bucket_name}"

  bucket_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "TlsOnly"
      Effect    = "Deny"
      Principal = "*"
      Action    = "s3:*"
      Resource  = [local.bucket_arn, "${local.bucket_arn}/*"]
      Condition = { Bool = { "aws:SecureTransport" = "false" } }
    }]
  })
}
