variable "bucket" {
  description = "Name of the bucket."
  type        = string
}

variable "prefix" {
  description = "What stands behind the bucket in `bucket_url`, without slashes at its ends. Empty: the whole bucket."
  type        = string

  validation {
    condition     = !startswith(var.prefix, "/") && !endswith(var.prefix, "/") && !strcontains(var.prefix, "*")
    error_message = "prefix must be like `esker` or `team/esker`: no slash at either end, no `*`."
  }
}

variable "partition" {
  description = "Partition of the ARNs: `aws`, `aws-cn`, `aws-us-gov`. MinIO takes `aws`."
  type        = string
  default     = "aws"
}

variable "kms_key_arn" {
  description = "Key with which the bucket encrypts; null where S3 keeps the key."
  type        = string
  default     = null
}

variable "read_bucket_settings" {
  description = "Allow to read versioning, lifecycle rules, encryption and the public access block, for `esker check`."
  type        = bool
  default     = false
}
