variable "region" {
  description = "Region of the Kubernetes cluster."
  type        = string
}

variable "vpc_id" {
  description = "VPC of the Kubernetes cluster."
  type        = string
}

variable "client_security_group_ids" {
  description = "Security groups of the nodes (or pods) of the agents: they may connect to the database. On EKS usually the cluster's own one."
  type        = list(string)
}

variable "oidc_provider_arn" {
  description = "IAM OIDC provider of the Kubernetes cluster: through it pods become the agents' role."
  type        = string
}

variable "bucket_name" {
  description = "Name of the bucket to create, unique in the world."
  type        = string
}

variable "database_subnet_ids" {
  description = "Private subnets for the database, in two zones or more."
  type        = list(string)
}

variable "route_table_ids" {
  description = "Route tables of the nodes' subnets, for the S3 gateway endpoint. Empty where the VPC has one."
  type        = list(string)
  default     = []
}

variable "name" {
  description = "Name of the Esker cluster."
  type        = string
  default     = "esker"
}

variable "namespace" {
  description = "Kubernetes namespace of the chart's release."
  type        = string
  default     = "esker"
}

variable "database_instance_class" {
  description = "Class of the RDS instance."
  type        = string
  default     = "db.m7g.large"
}

variable "secret_store_name" {
  description = "ClusterSecretStore of External Secrets that reads from Secrets Manager with the policy `secret_reader_policy_arn`."
  type        = string
  default     = "aws-secrets-manager"
}

variable "protect" {
  description = "Guard the database against deletion. To destroy everything: apply with `false` first."
  type        = bool
  default     = true
}
