# The metastore: Postgres on RDS. RDS makes the password and keeps it in Secrets Manager, where it also changes it
# every seven days: neither Terraform nor its state ever sees it.

locals {
  database_major = split(".", var.database_engine_version)[0]
  database_port  = 5432

  # Each is there for a reason; what is not here has RDS's default. None needs a restart.
  database_parameters = {
    # Passwords and offsets do not cross the network in the clear. The default of RDS since 15, said here so that
    # nobody turns it off in another parameter group.
    "rds.force_ssl" = "1"

    # An acknowledged record rests on a commit that survives a crash. Agents set this for their sessions as well; this
    # covers everything else that writes, a restore with psql for example.
    "synchronous_commit" = "on"

    # A transaction that somebody left open in psql keeps the dead rows of every heartbeat and commit from being
    # vacuumed, and its locks keep commits waiting. Agents have 30 s of their own; a migration never idles.
    "idle_in_transaction_session_timeout" = "60000"

    # Statements of agents take milliseconds. What takes a second is worth a line, and what waits for a lock for more
    # than deadlock_timeout (1 s) too: these are the lines that one looks for when commits are slow.
    "log_min_duration_statement" = "1000"
    "log_lock_waits"             = "1"

    # Minutes that RDS keeps its logs: a week instead of three days, so that a weekend can be looked at.
    "rds.log_retention_period" = "10080"

    # The disks are SSDs: a page somewhere costs about as much as the next one. With 4, made for disks that turn, the planner
    # reads whole tables where an index is there.
    "random_page_cost" = "1.1"

    # Few rows change very often. Tables that matter set their own; this is for those that are yet to come, and for
    # the catalogs. At 0.2 a table doubles its work before it is vacuumed.
    "autovacuum_vacuum_scale_factor"  = "0.05"
    "autovacuum_analyze_scale_factor" = "0.05"
  }
}

resource "aws_db_subnet_group" "metastore" {
  name        = "${var.name}-metastore"
  description = "Metastore of Esker cluster ${var.name}"
  subnet_ids  = var.database_subnet_ids
  tags        = var.tags
}

resource "aws_db_parameter_group" "metastore" {
  # A new major version needs a new group, while the old one is still in use.
  name_prefix = "${var.name}-pg${local.database_major}-"
  family      = "postgres${local.database_major}"
  description = "Metastore of Esker cluster ${var.name}"
  tags        = var.tags

  dynamic "parameter" {
    for_each = local.database_parameters

    content {
      name  = parameter.key
      value = parameter.value
    }
  }

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_security_group" "metastore" {
  name        = "${var.name}-metastore"
  description = "Who may connect to the metastore of Esker cluster ${var.name}"
  vpc_id      = var.vpc_id
  tags        = merge(var.tags, { Name = "${var.name}-metastore" })
}

# Ingress only: the database connects to nobody.
resource "aws_vpc_security_group_ingress_rule" "from_group" {
  count = length(var.database_client_security_group_ids)

  security_group_id            = aws_security_group.metastore.id
  description                  = "Postgres for agents"
  ip_protocol                  = "tcp"
  from_port                    = local.database_port
  to_port                      = local.database_port
  referenced_security_group_id = var.database_client_security_group_ids[count.index]
  tags                         = var.tags
}

resource "aws_vpc_security_group_ingress_rule" "from_network" {
  count = length(var.database_client_cidr_blocks)

  security_group_id = aws_security_group.metastore.id
  description       = "Postgres for agents"
  ip_protocol       = "tcp"
  from_port         = local.database_port
  to_port           = local.database_port
  cidr_ipv4         = var.database_client_cidr_blocks[count.index]
  tags              = var.tags
}

resource "aws_db_instance" "metastore" {
  identifier     = "${var.name}-metastore"
  engine         = "postgres"
  engine_version = var.database_engine_version
  instance_class = var.database_instance_class
  tags           = var.tags

  db_name                     = var.database_name
  username                    = var.database_username
  port                        = local.database_port
  manage_master_user_password = true

  storage_type          = "gp3"
  allocated_storage     = var.database_storage_gib
  max_allocated_storage = var.database_storage_gib_max
  storage_encrypted     = true
  kms_key_id            = var.database_kms_key_arn

  multi_az               = var.database_multi_az
  db_subnet_group_name   = aws_db_subnet_group.metastore.name
  vpc_security_group_ids = [aws_security_group.metastore.id]
  publicly_accessible    = false
  ca_cert_identifier     = "rds-ca-rsa2048-g1"
  parameter_group_name   = aws_db_parameter_group.metastore.name

  auto_minor_version_upgrade  = true
  allow_major_version_upgrade = var.database_allow_major_upgrade
  # Changes that restart the database wait for the maintenance window.
  apply_immediately = false

  backup_retention_period = var.database_backup_days
  copy_tags_to_snapshot   = true
  # They outlive an instance that was deleted by mistake, by as many days as they are kept.
  delete_automated_backups  = false
  deletion_protection       = var.database_deletion_protection
  skip_final_snapshot       = !var.database_final_snapshot
  final_snapshot_identifier = var.database_final_snapshot ? "${var.name}-final" : null
}
