# Who agents are: a role without a key, which the pods of one service account in one namespace can become.

module "agent_policy" {
  source = "../agent-policy"

  bucket               = var.bucket_name
  prefix               = var.bucket_prefix
  partition            = local.partition
  kms_key_arn          = var.bucket_kms_key_arn
  read_bucket_settings = var.read_bucket_settings
}

locals {
  # arn:aws:iam::111122223333:oidc-provider/ISSUER
  oidc_issuer = var.identity == "irsa" ? join("/", slice(split("/", var.oidc_provider_arn), 1, length(split("/", var.oidc_provider_arn)))) : ""

  trust_irsa = {
    Effect    = "Allow"
    Action    = ["sts:AssumeRoleWithWebIdentity"]
    Principal = { Federated = coalesce(var.oidc_provider_arn, "unused") }
    Condition = {
      StringEquals = {
        "${local.oidc_issuer}:aud" = "sts.amazonaws.com"
        "${local.oidc_issuer}:sub" = "system:serviceaccount:${var.namespace}:${var.service_account_name}"
      }
    }
  }

  # EKS says in tags for whom it takes the role: without these conditions any association of the account would do.
  trust_pod_identity = {
    Effect    = "Allow"
    Action    = ["sts:AssumeRole", "sts:TagSession"]
    Principal = { Service = "pods.eks.amazonaws.com" }
    Condition = {
      StringEquals = {
        "aws:RequestTag/eks-cluster-name"           = coalesce(var.eks_cluster_name, "unused")
        "aws:RequestTag/kubernetes-namespace"       = var.namespace
        "aws:RequestTag/kubernetes-service-account" = var.service_account_name
      }
    }
  }

  trust_policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [for how, statement in { irsa = local.trust_irsa, pod-identity = local.trust_pod_identity } : statement if how == var.identity]
  })
}

resource "aws_iam_role" "agents" {
  name                 = "${var.name}-agents"
  description          = "Agents of Esker cluster ${var.name}"
  assume_role_policy   = local.trust_policy
  permissions_boundary = var.permissions_boundary_arn
  tags                 = var.tags
}

resource "aws_iam_role_policy" "agents" {
  name   = "bucket"
  role   = aws_iam_role.agents.id
  policy = module.agent_policy.json
}

resource "aws_eks_pod_identity_association" "agents" {
  count = var.identity == "pod-identity" ? 1 : 0

  cluster_name    = var.eks_cluster_name
  namespace       = var.namespace
  service_account = var.service_account_name
  role_arn        = aws_iam_role.agents.arn
  tags            = var.tags
}

# For whatever copies the password into Kubernetes; agents themselves never ask Secrets Manager.
resource "aws_iam_policy" "secret_reader" {
  count = var.secret_reader ? 1 : 0

  name        = "${var.name}-metastore-secret"
  description = "Read the password of the metastore of Esker cluster ${var.name}"
  tags        = var.tags

  # The secret is encrypted with the account's own key for Secrets Manager, which asks for no permission of its own.
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid      = "Password"
      Effect   = "Allow"
      Action   = ["secretsmanager:DescribeSecret", "secretsmanager:GetSecretValue"]
      Resource = [local.secret_arn]
    }]
  })
}
