variable "name" {
  description = "Name of the cluster: what the module creates is named after it."
  type        = string
  default     = "esker"

  validation {
    condition     = can(regex("^[a-z]([a-z0-9-]{0,38}[a-z0-9])?$", var.name)) && !strcontains(var.name, "--")
    error_message = "name must have 1 to 40 lower-case letters, digits and single hyphens, and begin with a letter: RDS names the instance after it."
  }
}

variable "tags" {
  description = "Tags of everything that the module creates."
  type        = map(string)
  default     = {}
}

# --- the bucket ---------------------------------------------------------------------------------------------------

variable "bucket_name" {
  description = "Name of the bucket, unique in the world."
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$", var.bucket_name))
    error_message = "bucket_name must have 3 to 63 lower-case letters, digits and hyphens; no dots: with dots TLS cannot verify the bucket's host name."
  }
}

variable "bucket_prefix" {
  description = "What stands behind the bucket in `bucket_url`; agents reach nothing outside. Empty: the whole bucket."
  type        = string
  default     = "esker"

  validation {
    condition     = var.bucket_prefix == "" || can(regex("^[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*$", var.bucket_prefix))
    error_message = "bucket_prefix must be like `esker` or `team/esker`: letters, digits, `_` and `-`, single slashes inside, none at the ends."
  }
}

variable "bucket_encryption" {
  description = "`AES256`: S3 keeps the key. `aws:kms`: the key `bucket_kms_key_arn`."
  type        = string
  default     = "AES256"

  validation {
    condition     = contains(["AES256", "aws:kms"], var.bucket_encryption)
    error_message = "bucket_encryption must be `AES256` or `aws:kms`."
  }
}

variable "bucket_kms_key_arn" {
  description = "ARN of the key for `aws:kms`. Its key policy must let the account's IAM policies decide, as the default one does."
  type        = string
  default     = null

  validation {
    condition     = (var.bucket_kms_key_arn != null) == (var.bucket_encryption == "aws:kms")
    error_message = "bucket_kms_key_arn belongs to bucket_encryption = \"aws:kms\": set both or neither."
  }
}

variable "bucket_versioning" {
  description = "`Disabled`, `Enabled` or, to end it, `Suspended`. With versions an object that something deleted by mistake can be brought back for `bucket_noncurrent_days`."
  type        = string
  default     = "Disabled"

  validation {
    condition     = contains(["Disabled", "Enabled", "Suspended"], var.bucket_versioning)
    error_message = "bucket_versioning must be `Disabled`, `Enabled` or `Suspended`; S3 does not go back to `Disabled`."
  }
}

variable "bucket_noncurrent_days" {
  description = "How long versions stay that were deleted. Each day costs the storage of what upkeep removed on that day."
  type        = number
  default     = 7

  validation {
    condition     = var.bucket_noncurrent_days >= 1 && floor(var.bucket_noncurrent_days) == var.bucket_noncurrent_days
    error_message = "bucket_noncurrent_days must be a whole number of days, at least 1."
  }
}

variable "bucket_force_destroy" {
  description = "Let `terraform destroy` delete the bucket with all records in it. Otherwise it fails at a bucket that is not empty."
  type        = bool
  default     = false
}

# --- the network ---------------------------------------------------------------------------------------------------

variable "vpc_id" {
  description = "The VPC in which agents run."
  type        = string

  validation {
    condition     = can(regex("^vpc-[0-9a-f]+$", var.vpc_id))
    error_message = "vpc_id must be the id of a VPC, like `vpc-0a1b2c3d`."
  }
}

variable "route_table_ids" {
  description = "Route tables of the agents' subnets: they get the S3 gateway endpoint. Empty: no endpoint, for a VPC that has one."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for id in var.route_table_ids : can(regex("^rtb-[0-9a-f]+$", id))])
    error_message = "route_table_ids must be ids of route tables, like `rtb-0a1b2c3d`."
  }
}

# --- the database --------------------------------------------------------------------------------------------------

variable "database_subnet_ids" {
  description = "Private subnets for the database, in at least two zones."
  type        = list(string)

  validation {
    condition     = length(var.database_subnet_ids) >= 2 && alltrue([for id in var.database_subnet_ids : can(regex("^subnet-[0-9a-f]+$", id))])
    error_message = "database_subnet_ids must be at least two ids of subnets, like `subnet-0a1b2c3d`: RDS wants two zones even for one instance."
  }
}

variable "database_client_security_group_ids" {
  description = "Security groups that may connect to the database: those of the nodes or pods of the agents."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for id in var.database_client_security_group_ids : can(regex("^sg-[0-9a-f]+$", id))])
    error_message = "database_client_security_group_ids must be ids of security groups, like `sg-0a1b2c3d`."
  }

  validation {
    condition     = length(var.database_client_security_group_ids) + length(var.database_client_cidr_blocks) > 0
    error_message = "Nobody could reach the database: set database_client_security_group_ids or database_client_cidr_blocks."
  }
}

variable "database_client_cidr_blocks" {
  description = "IPv4 networks that may connect to the database, where security groups do not do."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for block in var.database_client_cidr_blocks : can(cidrnetmask(block)) && try(tonumber(split("/", block)[1]) >= 8, false)])
    error_message = "database_client_cidr_blocks must be IPv4 networks like `10.0.0.0/16`, of 8 bits or more: the database is not for the whole world."
  }
}

variable "database_engine_version" {
  description = "Version of Postgres, 15 or newer. A major version alone (`15`) lets RDS choose and update the minor one."
  type        = string
  default     = "15"

  validation {
    condition     = can(regex("^[0-9]+(\\.[0-9]+)?$", var.database_engine_version)) && try(tonumber(split(".", var.database_engine_version)[0]) >= 15, false)
    error_message = "database_engine_version must be 15 or newer, like `15` or `16.4`: Esker uses what Postgres 14 does not have."
  }
}

variable "database_allow_major_upgrade" {
  description = "Let a change of the major version in `database_engine_version` upgrade the instance. Take a snapshot first."
  type        = bool
  default     = false
}

variable "database_instance_class" {
  description = "Class of the instance. Classes that burst (`db.t…`) are for trials: commits wait when the credits are gone."
  type        = string
  default     = "db.m7g.large"

  validation {
    condition     = can(regex("^db\\.[a-z0-9-]+\\.[a-z0-9]+$", var.database_instance_class))
    error_message = "database_instance_class must be a class of RDS, like `db.m7g.large`."
  }
}

variable "database_storage_gib" {
  description = "Storage at the start. The metastore stays small however long records are kept."
  type        = number
  default     = 20

  validation {
    condition     = var.database_storage_gib >= 20 && floor(var.database_storage_gib) == var.database_storage_gib
    error_message = "database_storage_gib must be a whole number, at least 20: the smallest gp3 volume of RDS."
  }
}

variable "database_storage_gib_max" {
  description = "Up to here RDS enlarges the storage by itself before it is full."
  type        = number
  default     = 200

  validation {
    condition     = var.database_storage_gib_max > var.database_storage_gib
    error_message = "database_storage_gib_max must be larger than database_storage_gib: a full disk stops every commit."
  }
}

variable "database_multi_az" {
  description = "Keep a synchronous standby in a second zone. Without it a broken instance stops all writes until it is restored."
  type        = bool
  default     = true
}

variable "database_backup_days" {
  description = "How far back the database can be restored to any second."
  type        = number
  default     = 7

  validation {
    condition     = var.database_backup_days >= 1 && var.database_backup_days <= 35
    error_message = "database_backup_days must be 1 to 35: without backups a lost database loses the offsets of all records."
  }
}

variable "database_deletion_protection" {
  description = "Have RDS refuse to delete the database."
  type        = bool
  default     = true
}

variable "database_final_snapshot" {
  description = "Keep a last snapshot, `NAME-final`, when the database is deleted."
  type        = bool
  default     = true
}

variable "database_kms_key_arn" {
  description = "Key that encrypts the storage of the database; null: the account's own key for RDS."
  type        = string
  default     = null
}

variable "database_name" {
  description = "Name of the database."
  type        = string
  default     = "esker"

  validation {
    condition     = can(regex("^[a-z][a-z0-9_]{0,62}$", var.database_name))
    error_message = "database_name must begin with a lower-case letter and have lower-case letters, digits and `_` only."
  }
}

variable "database_username" {
  description = "The user that RDS creates with the database, and as which agents connect."
  type        = string
  default     = "esker"

  validation {
    condition     = can(regex("^[a-z][a-z0-9_]{0,15}$", var.database_username)) && !contains(["admin", "rdsadmin", "postgres"], var.database_username)
    error_message = "database_username must begin with a lower-case letter, have at most 16 lower-case letters, digits and `_`, and be none of the reserved `admin`, `rdsadmin`, `postgres`."
  }
}

# --- who agents are ------------------------------------------------------------------------------------------------

variable "identity" {
  description = "How pods become the role: `irsa` (through the OIDC provider of the Kubernetes cluster) or `pod-identity` (through the agent of EKS Pod Identity)."
  type        = string
  default     = "irsa"

  validation {
    condition     = contains(["irsa", "pod-identity"], var.identity)
    error_message = "identity must be `irsa` or `pod-identity`."
  }
}

variable "oidc_provider_arn" {
  description = "For `irsa`: ARN of the IAM OIDC provider of the Kubernetes cluster."
  type        = string
  default     = null

  validation {
    condition     = var.identity != "irsa" || can(regex("^arn:[a-z-]+:iam::[0-9]{12}:oidc-provider/.+$", var.oidc_provider_arn))
    error_message = "identity = \"irsa\" needs oidc_provider_arn, like `arn:aws:iam::111122223333:oidc-provider/oidc.eks.eu-west-1.amazonaws.com/id/…`."
  }
}

variable "eks_cluster_name" {
  description = "For `pod-identity`: name of the EKS cluster."
  type        = string
  default     = null

  validation {
    condition     = var.identity != "pod-identity" || try(length(var.eks_cluster_name) > 0, false)
    error_message = "identity = \"pod-identity\" needs eks_cluster_name."
  }
}

variable "namespace" {
  description = "Kubernetes namespace of the chart's release."
  type        = string
  default     = "esker"

  validation {
    condition     = can(regex("^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$", var.namespace))
    error_message = "namespace must be the name of one Kubernetes namespace; wildcards would let other pods become the role."
  }
}

variable "service_account_name" {
  description = "Kubernetes service account of the agents; the chart creates it under this name."
  type        = string
  default     = "esker"

  validation {
    condition     = can(regex("^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$", var.service_account_name))
    error_message = "service_account_name must be the name of one Kubernetes service account; wildcards would let other pods become the role."
  }
}

variable "permissions_boundary_arn" {
  description = "Permissions boundary of the role, where the account demands one."
  type        = string
  default     = null
}

variable "read_bucket_settings" {
  description = "Let `esker check` see versioning, lifecycle rules, encryption and the public access block with the agents' role. Agents do not need it."
  type        = bool
  default     = false
}

# --- what the chart is told ----------------------------------------------------------------------------------------

variable "secret_reader" {
  description = "Create an IAM policy that allows to read the database's password, for what copies it into Kubernetes (External Secrets, Secrets Store CSI)."
  type        = bool
  default     = false
}

variable "password_secret_name" {
  description = "Name of the Kubernetes Secret into which you have the password copied."
  type        = string
  default     = "esker-metastore"
}

variable "password_secret_key" {
  description = "Key of the password in that Secret."
  type        = string
  default     = "password"
}

variable "ca_config_map_name" {
  description = "Name of the Kubernetes ConfigMap into which you put the root certificates of RDS."
  type        = string
  default     = "esker-metastore-ca"
}

variable "ca_config_map_key" {
  description = "Key of the certificates in that ConfigMap."
  type        = string
  default     = "ca.pem"
}
