# The role is for one service account, and may do to one prefix what agents do.

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

run "exactly_what_agents_do" {
  assert {
    condition = jsondecode(aws_iam_role_policy.agents.policy) == {
      Version = "2012-10-17"
      Statement = [
        {
          Sid      = "Objects"
          Effect   = "Allow"
          Action   = ["s3:DeleteObject", "s3:GetObject", "s3:PutObject"]
          Resource = ["arn:aws:s3:::records-of-esker/esker/*"]
        },
        {
          Sid       = "List"
          Effect    = "Allow"
          Action    = ["s3:ListBucket"]
          Resource  = ["arn:aws:s3:::records-of-esker"]
          Condition = { StringLike = { "s3:prefix" = ["esker/*"] } }
        },
      ]
    }
    error_message = "The role must have four actions, below its own prefix."
  }
}

run "whole_bucket" {
  variables {
    bucket_prefix = ""
  }

  assert {
    condition = jsondecode(aws_iam_role_policy.agents.policy).Statement == [
      {
        Sid      = "Objects"
        Effect   = "Allow"
        Action   = ["s3:DeleteObject", "s3:GetObject", "s3:PutObject"]
        Resource = ["arn:aws:s3:::records-of-esker/*"]
      },
      {
        Sid      = "List"
        Effect   = "Allow"
        Action   = ["s3:ListBucket"]
        Resource = ["arn:aws:s3:::records-of-esker"]
      },
    ]
    error_message = "Without a prefix there is none to compare listings with."
  }

  assert {
    condition     = output.bucket_url == "s3://records-of-esker"
    error_message = "Without a prefix bucket_url has none."
  }
}

run "key_for_kms" {
  variables {
    bucket_encryption  = "aws:kms"
    bucket_kms_key_arn = "arn:aws:kms:eu-west-1:111122223333:key/k"
  }

  assert {
    condition = one([for statement in jsondecode(aws_iam_role_policy.agents.policy).Statement : statement if statement.Sid == "Key"]) == {
      Sid       = "Key"
      Effect    = "Allow"
      Action    = ["kms:Decrypt", "kms:GenerateDataKey"]
      Resource  = ["arn:aws:kms:eu-west-1:111122223333:key/k"]
      Condition = { StringLike = { "kms:ViaService" = ["s3.*"] } }
    }
    error_message = "Agents must be able to use the bucket's key, through S3 alone."
  }
}

run "settings_of_the_bucket" {
  variables {
    read_bucket_settings = true
  }

  assert {
    condition = alltrue([
      for action in one([for statement in jsondecode(aws_iam_role_policy.agents.policy).Statement : statement.Action if statement.Sid == "Settings"]) :
      startswith(action, "s3:Get")
    ])
    error_message = "What esker check looks at is read, never changed."
  }
}

run "trusts_one_service_account_by_irsa" {
  assert {
    condition = jsondecode(aws_iam_role.agents.assume_role_policy).Statement == [{
      Effect    = "Allow"
      Action    = ["sts:AssumeRoleWithWebIdentity"]
      Principal = { Federated = "arn:aws:iam::111122223333:oidc-provider/oidc.eks.eu-west-1.amazonaws.com/id/ABC" }
      Condition = {
        StringEquals = {
          "oidc.eks.eu-west-1.amazonaws.com/id/ABC:aud" = "sts.amazonaws.com"
          "oidc.eks.eu-west-1.amazonaws.com/id/ABC:sub" = "system:serviceaccount:esker:esker"
        }
      }
    }]
    error_message = "One service account of one cluster may become the role."
  }

  assert {
    condition     = length(aws_eks_pod_identity_association.agents) == 0
    error_message = "IRSA needs no association."
  }
}

run "trusts_one_service_account_by_pod_identity" {
  variables {
    identity             = "pod-identity"
    oidc_provider_arn    = null
    eks_cluster_name     = "prod"
    namespace            = "streams"
    service_account_name = "agents"
  }

  assert {
    condition = jsondecode(aws_iam_role.agents.assume_role_policy).Statement == [{
      Effect    = "Allow"
      Action    = ["sts:AssumeRole", "sts:TagSession"]
      Principal = { Service = "pods.eks.amazonaws.com" }
      Condition = {
        StringEquals = {
          "aws:RequestTag/eks-cluster-name"           = "prod"
          "aws:RequestTag/kubernetes-namespace"       = "streams"
          "aws:RequestTag/kubernetes-service-account" = "agents"
        }
      }
    }]
    error_message = "One service account of one cluster may become the role."
  }

  assert {
    condition     = one(aws_eks_pod_identity_association.agents).namespace == "streams" && one(aws_eks_pod_identity_association.agents).service_account == "agents" && one(aws_eks_pod_identity_association.agents).cluster_name == "prod"
    error_message = "The association must name the same service account."
  }

  assert {
    condition     = length(output.values.serviceAccount.annotations) == 0
    error_message = "Pod Identity needs no annotation."
  }
}

run "secret_reader" {
  variables {
    secret_reader = true
  }

  assert {
    condition = jsondecode(aws_iam_policy.secret_reader[0].policy).Statement == [{
      Sid      = "Password"
      Effect   = "Allow"
      Action   = ["secretsmanager:DescribeSecret", "secretsmanager:GetSecretValue"]
      Resource = ["arn:aws:secretsmanager:eu-west-1:111122223333:secret:rds!db-1"]
    }]
    error_message = "Whoever copies the password may read that one secret."
  }
}

run "no_secret_reader" {
  assert {
    condition     = length(aws_iam_policy.secret_reader) == 0 && output.secret_reader_policy_arn == null
    error_message = "Nobody may read the secret unless it is asked for."
  }
}
