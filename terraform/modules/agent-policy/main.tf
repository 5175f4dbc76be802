# What an agent may do with its bucket, as an IAM policy document. No provider: the role on AWS and a user of an
# S3-compatible server get the same document, so that running agents under it on one says something about the other.
#
# What an agent sends, and the action that each request needs:
#
#   PUT with If-None-Match          s3:PutObject     segments, manifests, cluster.json, each written once with one request
#   GET, HEAD, ranges               s3:GetObject     HEAD has no action of its own
#   DELETE, DeleteObjects           s3:DeleteObject  upkeep removes what nothing needs any more. The versions of a
#                                                    versioned bucket are out of its reach (s3:DeleteObjectVersion)
#   ListObjectsV2 below the prefix  s3:ListBucket    sweeping. Without it S3 also answers 403 instead of 404 for an
#                                                    object that is not there, and no agent could start on an empty bucket
#
# Not in the list: s3:AbortMultipartUpload and its relatives (nothing is uploaded in parts), s3:GetBucketLocation
# (the region is a setting), anything about ACLs, tags, versions or the bucket's own settings.

terraform {
  required_version = ">= 1.9"
}

locals {
  bucket_arn = "arn:${var.partition}:s3:::${var.bucket}"

  # The requests of an agent carry the prefix with its slash. For an object that is not there S3 takes the object's
  # key for s3:prefix, so that the condition does not turn 404 into 403 (observed behaviour: github.com/ceph/ceph/pull/68577,
  # 2026-04). Without a prefix there is no condition: such a listing has no prefix to compare.
  list_condition = var.prefix == "" ? {} : { Condition = { StringLike = { "s3:prefix" = ["${var.prefix}/*"] } } }

  statements = concat(
    [
      {
        Sid      = "Objects"
        Effect   = "Allow"
        Action   = ["s3:DeleteObject", "s3:GetObject", "s3:PutObject"]
        Resource = [var.prefix == "" ? "${local.bucket_arn}/*" : "${local.bucket_arn}/${var.prefix}/*"]
      },
      merge(
        {
          Sid      = "List"
          Effect   = "Allow"
          Action   = ["s3:ListBucket"]
          Resource = [local.bucket_arn]
        },
        local.list_condition,
      ),
    ],
    var.read_bucket_settings ? [
      {
        # What `esker check` looks at beyond what agents do; it works without, and says what it could not see.
        Sid    = "Settings"
        Effect = "Allow"
        Action = [
          "s3:GetBucketPublicAccessBlock", "s3:GetBucketVersioning", "s3:GetEncryptionConfiguration",
          "s3:GetLifecycleConfiguration",
        ]
        Resource = [local.bucket_arn]
      },
    ] : [],
    var.kms_key_arn == null ? [] : [
      {
        # S3 encrypts and decrypts with the key on behalf of the agent: GenerateDataKey for PUT, Decrypt for GET.
        Sid       = "Key"
        Effect    = "Allow"
        Action    = ["kms:Decrypt", "kms:GenerateDataKey"]
        Resource  = [var.kms_key_arn]
        Condition = { StringLike = { "kms:ViaService" = ["s3.*"] } }
      },
    ],
  )
}

output "json" {
  description = "The policy document."
  value       = jsonencode({ Version = "2012-10-17", Statement = local.statements })
}
