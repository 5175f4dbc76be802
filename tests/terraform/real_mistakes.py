"""Mistakes planted in the module aws, each of which its tests must catch: that they can fail is what they are worth."""

import unittest

from workbench import WITHOUT, Failed, Workbench

# The file of tests that must fail, the file with the mistake, what stands there, what stands there instead.
MISTAKES = [
    ("bucket", "bucket.tf", "block_public_policy     = true", "block_public_policy     = false"),
    ("bucket", "bucket.tf", '"BucketOwnerEnforced"', '"ObjectWriter"'),
    ("bucket", "bucket.tf", 'Effect    = "Deny"', 'Effect    = "Allow"'),
    ("bucket", "bucket.tf", "expired_object_delete_marker = true", "days = 365"),
    ("bucket", "bucket.tf", 'var.bucket_versioning == "Disabled" ? []', 'var.bucket_versioning != "Enabled" ? []'),
    ("bucket", "bucket.tf", 'bucket_key_enabled = var.bucket_encryption == "aws:kms"', "bucket_key_enabled = false"),
    ("database", "database.tf", "manage_master_user_password = true", 'password = "in-the-state"'),
    ("database", "database.tf", "publicly_accessible    = false", "publicly_accessible    = true"),
    ("database", "database.tf", '"synchronous_commit" = "on"', '"synchronous_commit" = "off"'),
    ("database", "database.tf", "to_port                      = local.database_port", "to_port                      = 65535"),
    ("role", "../agent-policy/main.tf", '"s3:PutObject"]', '"s3:PutObject", "s3:*"]'),
    ("role", "../agent-policy/main.tf", '["${var.prefix}/*"]', '["*"]'),
    ("role", "role.tf", "system:serviceaccount:${var.namespace}:${var.service_account_name}", "system:serviceaccount:${var.namespace}:*"),
    ("role", "role.tf", "Resource = [local.secret_arn]", 'Resource = ["*"]'),
    ("values", "outputs.tf", "sslmode=verify-full", "sslmode=require"),
    ("values", "outputs.tf", "caConfigMap    =", "caConfigmap    ="),
    ("refusals", "variables.tf", ">= 15, false)", ">= 14, false)"),
    ("refusals", "variables.tf", ">= 8, false)", ">= 0, false)"),
]


@unittest.skipIf(WITHOUT, WITHOUT)
class Mistakes(unittest.TestCase):
    def test_each_is_caught(self):
        bench = Workbench()
        self.addCleanup(bench.remove)
        bench.init("modules/aws")
        for tests, name, right, wrong in MISTAKES:
            path = f"modules/aws/{name}"
            with open(bench.path(path)) as file:
                text = file.read()
            with self.subTest(mistake=wrong):
                self.assertIn(right, text)
                bench.write(path, text.replace(right, wrong, 1))
                try:
                    with self.assertRaises(Failed) as caught:
                        bench.run("modules/aws", "test", "-no-color", f"-filter=tests/{tests}.tftest.hcl")
                    # An assertion failed; it is not that the file cannot be read.
                    self.assertRegex(str(caught.exception), "Test assertion failed|Missing expected failure")
                finally:
                    bench.write(path, text)


if __name__ == "__main__":
    unittest.main()
