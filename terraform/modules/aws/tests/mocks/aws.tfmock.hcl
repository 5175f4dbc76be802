# What AWS would answer where something depends on it; all else is made up by Terraform.

mock_data "aws_partition" {
  defaults = { partition = "aws" }
}

mock_data "aws_region" {
  defaults = { name = "eu-west-1" }
}

mock_resource "aws_iam_role" {
  defaults = { arn = "arn:aws:iam::111122223333:role/esker-agents" }
}

mock_resource "aws_iam_policy" {
  defaults = { arn = "arn:aws:iam::111122223333:policy/esker-metastore-secret" }
}

mock_resource "aws_db_instance" {
  defaults = {
    address            = "esker-metastore.abc.eu-west-1.rds.amazonaws.com"
    master_user_secret = [{ secret_arn = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:rds!db-1", kms_key_id = "", secret_status = "active" }]
  }
}
