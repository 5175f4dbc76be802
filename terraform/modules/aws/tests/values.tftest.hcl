# What the chart is told, and the way to S3.

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

run "values" {
  assert {
    condition = jsonencode(output.values) == jsonencode({
      metastore = {
        url            = "postgres://esker@esker-metastore.abc.eu-west-1.rds.amazonaws.com:5432/esker?sslmode=verify-full"
        passwordSecret = { name = "esker-metastore", key = "password" }
        caConfigMap    = { name = "esker-metastore-ca", key = "ca.pem" }
      }
      bucket = {
        url    = "s3://records-of-esker/esker"
        region = "eu-west-1"
      }
      serviceAccount = {
        create      = true
        name        = "esker"
        annotations = { "eks.amazonaws.com/role-arn" = "arn:aws:iam::111122223333:role/esker-agents" }
      }
    })
    error_message = "These are the values of the chart: change both or neither."
  }

  assert {
    condition     = jsonencode(yamldecode(output.values_yaml)) == jsonencode(output.values)
    error_message = "The file must hold the same values."
  }
}

run "no_endpoint" {
  assert {
    condition     = length(aws_vpc_endpoint.s3) == 0 && output.s3_endpoint_id == null
    error_message = "Without route tables there is no endpoint."
  }
}

run "endpoint" {
  variables {
    route_table_ids = ["rtb-0a1b2c3d", "rtb-1a1b2c3d"]
  }

  assert {
    condition     = one(aws_vpc_endpoint.s3).service_name == "com.amazonaws.eu-west-1.s3" && one(aws_vpc_endpoint.s3).vpc_endpoint_type == "Gateway"
    error_message = "The endpoint must be the gateway to S3 of the region."
  }

  assert {
    condition     = one(aws_vpc_endpoint.s3).route_table_ids == toset(["rtb-0a1b2c3d", "rtb-1a1b2c3d"])
    error_message = "All route tables that were named must lead there."
  }
}
