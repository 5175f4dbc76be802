# The database survives what it can, lets in whom it must, and has its password from RDS.

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

run "safe_by_default" {
  assert {
    condition     = aws_db_instance.metastore.manage_master_user_password && aws_db_instance.metastore.password == null
    error_message = "RDS must make the password, so that it is in no state."
  }

  assert {
    condition     = aws_db_instance.metastore.storage_encrypted && !aws_db_instance.metastore.publicly_accessible
    error_message = "The database must be encrypted and private."
  }

  assert {
    condition     = aws_db_instance.metastore.multi_az && aws_db_instance.metastore.backup_retention_period == 7
    error_message = "There must be a standby and a week of backups."
  }

  assert {
    condition     = aws_db_instance.metastore.deletion_protection && !aws_db_instance.metastore.skip_final_snapshot && aws_db_instance.metastore.final_snapshot_identifier == "esker-final"
    error_message = "The database must be guarded against deletion, and leave a snapshot."
  }

  assert {
    condition     = !aws_db_instance.metastore.apply_immediately
    error_message = "Nothing may restart the database outside of its maintenance window."
  }

  assert {
    condition     = aws_db_instance.metastore.engine == "postgres" && aws_db_instance.metastore.engine_version == "15" && aws_db_parameter_group.metastore.family == "postgres15"
    error_message = "Engine and parameters must be those of Postgres 15."
  }

  assert {
    condition     = aws_db_instance.metastore.max_allocated_storage > aws_db_instance.metastore.allocated_storage
    error_message = "The storage must grow by itself."
  }
}

run "parameters" {
  assert {
    condition = { for parameter in aws_db_parameter_group.metastore.parameter : parameter.name => parameter.value } == {
      "rds.force_ssl"                       = "1"
      "synchronous_commit"                  = "on"
      "idle_in_transaction_session_timeout" = "60000"
      "log_min_duration_statement"          = "1000"
      "log_lock_waits"                      = "1"
      "rds.log_retention_period"            = "10080"
      "random_page_cost"                    = "1.1"
      "autovacuum_vacuum_scale_factor"      = "0.05"
      "autovacuum_analyze_scale_factor"     = "0.05"
    }
    error_message = "Each parameter has a reason in database.tf: change it there and here."
  }
}

run "newer_postgres" {
  variables {
    database_engine_version = "17.2"
  }

  assert {
    condition     = aws_db_instance.metastore.engine_version == "17.2" && aws_db_parameter_group.metastore.family == "postgres17"
    error_message = "The parameters must follow the major version."
  }
}

run "one_group_may_connect" {
  assert {
    condition     = [for rule in aws_vpc_security_group_ingress_rule.from_group : rule.referenced_security_group_id] == ["sg-0a1b2c3d"] && length(aws_vpc_security_group_ingress_rule.from_network) == 0
    error_message = "Only the groups that were named may connect."
  }

  assert {
    condition = alltrue([
      for rule in aws_vpc_security_group_ingress_rule.from_group : rule.from_port == 5432 && rule.to_port == 5432 && rule.ip_protocol == "tcp"
    ])
    error_message = "Only the port of Postgres may be open."
  }
}

run "networks_may_connect" {
  variables {
    database_client_security_group_ids = []
    database_client_cidr_blocks        = ["10.1.0.0/16", "10.2.0.0/16"]
  }

  assert {
    condition     = [for rule in aws_vpc_security_group_ingress_rule.from_network : rule.cidr_ipv4] == ["10.1.0.0/16", "10.2.0.0/16"] && length(aws_vpc_security_group_ingress_rule.from_group) == 0
    error_message = "Only the networks that were named may connect."
  }

  assert {
    condition = alltrue([
      for rule in aws_vpc_security_group_ingress_rule.from_network : rule.from_port == 5432 && rule.to_port == 5432 && rule.ip_protocol == "tcp"
    ])
    error_message = "Only the port of Postgres may be open."
  }
}

run "trial" {
  variables {
    database_multi_az            = false
    database_deletion_protection = false
    database_final_snapshot      = false
  }

  assert {
    condition     = !aws_db_instance.metastore.multi_az && !aws_db_instance.metastore.deletion_protection && aws_db_instance.metastore.skip_final_snapshot
    error_message = "A trial may do without what guards the database."
  }
}
