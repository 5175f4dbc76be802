variable "endpoint" {
  description = "Where the server listens."
  type        = string
  default     = "http://127.0.0.1:9000"

  validation {
    condition     = can(regex("^https?://[^/]+$", var.endpoint))
    error_message = "endpoint must be like `http://127.0.0.1:9000`."
  }
}

variable "region" {
  description = "What the server calls its region."
  type        = string
  default     = "us-east-1"
}

variable "bucket_name" {
  description = "Name of the bucket to create."
  type        = string
  default     = "esker"
}

variable "bucket_prefix" {
  description = "What stands behind the bucket in `bucket_url`. Empty: the whole bucket."
  type        = string
  default     = "esker"
}

variable "force_destroy" {
  description = "Let `terraform destroy` delete the bucket with all records in it."
  type        = bool
  default     = false
}

variable "credentials_secret_name" {
  description = "Kubernetes Secret with the keys of the agents' user, for the chart."
  type        = string
  default     = "esker-bucket"
}
