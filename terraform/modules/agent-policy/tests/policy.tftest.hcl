# The document alone: the module aws tests what it says for a role.

variables {
  bucket = "records"
  prefix = "team/esker"
}

run "below_the_prefix" {
  assert {
    condition = jsondecode(output.json) == {
      Version = "2012-10-17"
      Statement = [
        {
          Sid      = "Objects"
          Effect   = "Allow"
          Action   = ["s3:DeleteObject", "s3:GetObject", "s3:PutObject"]
          Resource = ["arn:aws:s3:::records/team/esker/*"]
        },
        {
          Sid       = "List"
          Effect    = "Allow"
          Action    = ["s3:ListBucket"]
          Resource  = ["arn:aws:s3:::records"]
          Condition = { StringLike = { "s3:prefix" = ["team/esker/*"] } }
        },
      ]
    }
    error_message = "Four actions, below the prefix."
  }
}

run "other_partitions" {
  variables {
    partition = "aws-cn"
  }

  assert {
    condition     = alltrue([for statement in jsondecode(output.json).Statement : startswith(statement.Resource[0], "arn:aws-cn:s3:::records")])
    error_message = "The ARNs must be of the partition."
  }
}

run "slash_at_an_end" {
  command = plan

  variables {
    prefix = "esker/"
  }

  expect_failures = [var.prefix]
}

run "star" {
  command = plan

  variables {
    prefix = "*"
  }

  expect_failures = [var.prefix]
}
