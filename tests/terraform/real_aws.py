"""examples/complete and the module aws applied for real, to a moto server.

What moto cannot show is in terraform/README.md: whether AWS accepts what it is sent, whether a policy allows and refuses, whether
the database starts. Shown here is that Terraform creates everything, that a second plan finds nothing to change, what
exists then, that no secret is in the state, and that everything goes again, but not a bucket with records.
"""

import contextlib
import glob
import json
import os
import re
import subprocess
import unittest

import boto3
import yaml

import chart
from servers import moto
from workbench import WITHOUT, Failed, Workbench

REGION = "eu-west-1"
# moto's account.
ACCOUNT = "123456789012"
KEYS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
# The provider asks for buckets by host name otherwise, which no name server knows.
OVERRIDE = 'provider "aws" {\n  s3_use_path_style = true\n}\n'


class Account:
    """moto, with the network that the module does not make."""

    def __init__(self, address):
        self.environment = {**KEYS, "AWS_ENDPOINT_URL": address, "AWS_REGION": REGION}
        self.session = boto3.Session("test", "test", region_name=REGION)
        self.address = address
        ec2 = self.client("ec2")
        self.vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
        self.subnets = [
            ec2.create_subnet(VpcId=self.vpc, CidrBlock=f"10.0.{number}.0/24", AvailabilityZone=REGION + zone)["Subnet"]["SubnetId"]
            for number, zone in enumerate("abc")
        ]
        self.routes = ec2.create_route_table(VpcId=self.vpc)["RouteTable"]["RouteTableId"]
        self.nodes = ec2.create_security_group(GroupName="nodes", Description="nodes", VpcId=self.vpc)["GroupId"]
        self.oidc = self.client("iam").create_open_id_connect_provider(
            Url=f"https://oidc.eks.{REGION}.amazonaws.com/id/ABC", ThumbprintList=["a" * 40]
        )["OpenIDConnectProviderArn"]

    def client(self, service):
        return self.session.client(service, endpoint_url=self.address)


@unittest.skipIf(WITHOUT, WITHOUT)
class Aws(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        self.bench = Workbench()
        self.addCleanup(self.bench.remove)
        stack = contextlib.ExitStack()
        self.addCleanup(stack.close)
        self.account = Account(stack.enter_context(moto(self.bench.directory)))

    def terraform(self, folder, *arguments, codes=(0,)):
        return self.bench.run(folder, *arguments, "-no-color", environment=self.account.environment, codes=codes)

    def apply_twice(self, folder, *variables):
        written = self.terraform(folder, "apply", "-auto-approve", *variables)
        print(re.search(r"Apply complete! .*", written).group())
        again = self.terraform(folder, "plan", "-detailed-exitcode", *variables, codes=(0, 2))
        self.assertIn("No changes. Your infrastructure matches the configuration.", again)
        print("second plan: No changes. Your infrastructure matches the configuration.")

    def test_complete(self):
        folder = "examples/complete"
        account = self.account
        self.bench.write(f"{folder}/test_override.tf", OVERRIDE)
        variables = {
            "region": REGION,
            "vpc_id": account.vpc,
            "client_security_group_ids": [account.nodes],
            "oidc_provider_arn": account.oidc,
            "bucket_name": "records-of-esker",
            "database_subnet_ids": account.subnets,
            "route_table_ids": [account.routes],
        }
        self.bench.write(f"{folder}/terraform.tfvars.json", json.dumps(variables))
        self.bench.init(folder)
        self.apply_twice(folder)

        self.outputs = self.bench.output(folder, account.environment)
        self.bucket()
        self.database()
        self.role()
        self.network()
        self.no_secret_in(folder)
        self.what_is_handed_on()
        self.destroyed(folder)

    def bucket(self):
        s3 = self.account.client("s3")
        at = {"Bucket": "records-of-esker"}
        self.assertEqual(set(s3.get_public_access_block(**at)["PublicAccessBlockConfiguration"].values()), {True})
        self.assertEqual(s3.get_bucket_ownership_controls(**at)["OwnershipControls"]["Rules"], [{"ObjectOwnership": "BucketOwnerEnforced"}])
        [rule] = s3.get_bucket_encryption(**at)["ServerSideEncryptionConfiguration"]["Rules"]
        self.assertEqual(rule["ApplyServerSideEncryptionByDefault"], {"SSEAlgorithm": "AES256"})
        self.assertEqual(s3.get_bucket_versioning(**at)["Status"], "Enabled")
        [statement] = json.loads(s3.get_bucket_policy(**at)["Policy"])["Statement"]
        self.assertEqual((statement["Effect"], statement["Condition"]), ("Deny", {"Bool": {"aws:SecureTransport": "false"}}))

        rules = s3.get_bucket_lifecycle_configuration(**at)["Rules"]
        self.assertEqual(sorted(rule["ID"] for rule in rules), ["abort-uploads", "expire-noncurrent-versions"])
        for rule in rules:
            # Neither deletes or moves a live object.
            self.assertFalse({"Days", "Date"} & set(rule.get("Expiration", {})), rule)
            self.assertFalse({"Transitions", "NoncurrentVersionTransitions"} & set(rule), rule)

    def database(self):
        rds = self.account.client("rds")
        [instance] = rds.describe_db_instances()["DBInstances"]
        expected = {
            "DBInstanceIdentifier": "esker-metastore",
            "Engine": "postgres",
            "EngineVersion": "15",
            "MasterUsername": "esker",
            "DBName": "esker",
            "MultiAZ": True,
            "StorageEncrypted": True,
            "PubliclyAccessible": False,
            "DeletionProtection": True,
            "BackupRetentionPeriod": 7,
            "StorageType": "gp3",
            "MaxAllocatedStorage": 200,
            "CACertificateIdentifier": "rds-ca-rsa2048-g1",
        }
        self.assertEqual({name: instance[name] for name in expected}, expected)
        self.assertEqual(instance["MasterUserSecret"]["SecretArn"], self.outputs["database_secret_arn"])
        [group] = instance["DBParameterGroups"]
        parameters = rds.describe_db_parameters(DBParameterGroupName=group["DBParameterGroupName"])["Parameters"]
        found = {parameter["ParameterName"]: parameter["ParameterValue"] for parameter in parameters}
        self.assertEqual((found["rds.force_ssl"], found["synchronous_commit"]), ("1", "on"))
        self.postgres_knows(found)

    def postgres_knows(self, parameters):
        """moto takes any parameter: a real Postgres says whether name and value exist."""
        directory = os.environ.get("ESKER_TEST_POSTGRES_BIN")
        if not directory:
            print("NOTE parameters: no Postgres here that could say whether it knows them")
            return
        for name, value in parameters.items():
            if not name.startswith("rds."):
                postgres = os.path.join(directory, "postgres")
                # It reads name and value before it misses its data.
                ended = subprocess.run([*as_postgres(), postgres, "-C", name, "-c", f"{name}={value}", "-D", "/nonexistent"], cwd="/", capture_output=True, text=True)
                self.assertIn("could not access directory", ended.stderr, f"{name}={value}")

    def role(self):
        iam = self.account.client("iam")
        role = iam.get_role(RoleName="esker-agents")["Role"]
        [trust] = role["AssumeRolePolicyDocument"]["Statement"]
        self.assertEqual(trust["Principal"], {"Federated": self.account.oidc})
        issuer = self.account.oidc.split("/", 1)[1]
        self.assertEqual(trust["Condition"]["StringEquals"][f"{issuer}:sub"], "system:serviceaccount:esker:esker")
        self.assertEqual(iam.list_attached_role_policies(RoleName="esker-agents")["AttachedPolicies"], [])
        self.assertEqual(iam.list_role_policies(RoleName="esker-agents")["PolicyNames"], ["bucket"])
        policy = iam.get_role_policy(RoleName="esker-agents", PolicyName="bucket")["PolicyDocument"]
        actions = sorted(action for statement in policy["Statement"] for action in statement["Action"])
        self.assertEqual(actions, ["s3:DeleteObject", "s3:GetObject", "s3:ListBucket", "s3:PutObject"])
        resources = sorted(resource for statement in policy["Statement"] for resource in statement["Resource"])
        self.assertEqual(resources, ["arn:aws:s3:::records-of-esker", "arn:aws:s3:::records-of-esker/esker/*"])

        arn = self.outputs["secret_reader_policy_arn"]
        version = iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
        [reader] = iam.get_policy_version(PolicyArn=arn, VersionId=version)["PolicyVersion"]["Document"]["Statement"]
        self.assertEqual(reader["Resource"], [self.outputs["database_secret_arn"]])

    def network(self):
        ec2 = self.account.client("ec2")
        [endpoint] = ec2.describe_vpc_endpoints()["VpcEndpoints"]
        self.assertEqual((endpoint["ServiceName"], endpoint["VpcEndpointType"]), (f"com.amazonaws.{REGION}.s3", "Gateway"))
        self.assertEqual(endpoint["RouteTableIds"], [self.account.routes])
        [group] = ec2.describe_security_groups(Filters=[{"Name": "group-name", "Values": ["esker-metastore"]}])["SecurityGroups"]
        [rule] = group["IpPermissions"]
        self.assertEqual((rule["FromPort"], rule["ToPort"], rule["IpProtocol"]), (5432, 5432, "tcp"))
        self.assertEqual([pair["GroupId"] for pair in rule["UserIdGroupPairs"]], [self.account.nodes])
        self.assertEqual((rule["IpRanges"], rule["Ipv6Ranges"], group["IpPermissionsEgress"]), ([], [], []))

    def no_secret_in(self, folder):
        secret = self.account.client("secretsmanager").get_secret_value(SecretId=self.outputs["database_secret_arn"])
        password = json.loads(secret["SecretString"])["password"]
        self.assertGreater(len(password), 8)
        states = glob.glob(self.bench.path(folder, "*.tfstate*"))
        self.assertTrue(states)
        for name in states:
            with open(name) as file:
                state = file.read()
            self.assertIn("records-of-esker", state)
            self.assertNotIn(password, state)
            self.assertNotIn(json.dumps(password)[1:-1], state)
            for key, value in re.findall(r'"([a-z_]*password[a-z_]*|secret_string)": ("[^"]*")', state):
                self.fail(f"the state holds {key}: {value}")
        print("the password of Secrets Manager is not in the state")

    def what_is_handed_on(self):
        values = yaml.safe_load(self.outputs["values_yaml"])
        self.assertEqual(
            values,
            {
                "metastore": {
                    "url": f"postgres://esker@{self.host()}:5432/esker?sslmode=verify-full",
                    "passwordSecret": {"name": "esker-metastore", "key": "password"},
                    "caConfigMap": {"name": "esker-metastore-ca", "key": "ca.pem"},
                },
                "bucket": {"url": "s3://records-of-esker/esker", "region": REGION},
                "serviceAccount": {
                    "create": True,
                    "name": "esker",
                    "annotations": {"eks.amazonaws.com/role-arn": f"arn:aws:iam::{ACCOUNT}:role/esker-agents"},
                },
            },
        )
        secret = yaml.safe_load(self.outputs["external_secret_yaml"])
        self.assertEqual(secret["metadata"], {"name": "esker-metastore", "namespace": "esker"})
        self.assertEqual(secret["spec"]["data"][0]["secretKey"], values["metastore"]["passwordSecret"]["key"])
        self.assertEqual(secret["spec"]["data"][0]["remoteRef"], {"key": self.outputs["database_secret_arn"], "property": "password"})
        self.chart_takes(self.outputs["values_yaml"], values)

    def host(self):
        return self.account.client("rds").describe_db_instances()["DBInstances"][0]["Endpoint"]["Address"]

    def chart_takes(self, text, values):
        objects = chart.render(self.bench.directory, text)
        if objects is None:
            return
        [account] = [document for document in objects if document["kind"] == "ServiceAccount"]
        self.assertEqual(account["metadata"]["name"], "esker")
        self.assertEqual(account["metadata"]["annotations"], values["serviceAccount"]["annotations"])
        environment = chart.agent(objects)
        self.assertEqual(environment["ESKER_METASTORE_URL"]["value"], values["metastore"]["url"])
        self.assertEqual(environment["ESKER_BUCKET_URL"]["value"], values["bucket"]["url"])
        self.assertEqual(environment["AWS_REGION"]["value"], REGION)
        self.assertIn("ESKER_METASTORE_PASSWORD_FILE", environment)
        self.assertNotIn("AWS_ACCESS_KEY_ID", environment)
        print("helm template takes the values:", ", ".join(sorted({document["kind"] for document in objects})))

    def destroyed(self, folder):
        s3 = self.account.client("s3")
        self.terraform(folder, "apply", "-auto-approve", "-var=protect=false")
        # moto reads no conditions in a bucket's policy: to it, the one that refuses plain HTTP refuses everything.
        s3.delete_bucket_policy(Bucket="records-of-esker")
        s3.put_object(Bucket="records-of-esker", Key="esker/ingest/1", Body=b"records")
        with self.assertRaises(Failed) as refused:
            self.terraform(folder, "destroy", "-auto-approve", "-var=protect=false")
        self.assertIn("BucketNotEmpty", str(refused.exception))
        self.assertEqual(s3.get_object(Bucket="records-of-esker", Key="esker/ingest/1")["Body"].read(), b"records")
        print("destroy stops at a bucket with records: BucketNotEmpty")

        for version in s3.list_object_versions(Bucket="records-of-esker").get("Versions", []):
            s3.delete_object(Bucket="records-of-esker", Key=version["Key"], VersionId=version["VersionId"])
        written = self.terraform(folder, "destroy", "-auto-approve", "-var=protect=false")
        print(re.search(r"Destroy complete! .*", written).group())
        self.nothing_left()

    def nothing_left(self):
        client = self.account.client
        self.assertEqual(client("s3").list_buckets()["Buckets"], [])
        self.assertEqual(client("rds").describe_db_instances()["DBInstances"], [])
        self.assertEqual(client("rds").describe_db_subnet_groups()["DBSubnetGroups"], [])
        self.assertEqual(client("rds").describe_db_parameter_groups()["DBParameterGroups"], [])
        self.assertEqual(client("iam").list_roles()["Roles"], [])
        self.assertEqual(client("iam").list_policies(Scope="Local")["Policies"], [])
        self.assertEqual(client("secretsmanager").list_secrets()["SecretList"], [])
        endpoints = client("ec2").describe_vpc_endpoints()["VpcEndpoints"]
        self.assertEqual([endpoint for endpoint in endpoints if endpoint["State"] != "deleted"], [])
        self.assertNotIn("esker-metastore", [group["GroupName"] for group in client("ec2").describe_security_groups()["SecurityGroups"]])

    def test_with_a_key_and_networks(self):
        """The other branches: KMS, no versions, no endpoint, networks in place of groups, a newer Postgres."""
        account = self.account
        key = account.client("kms").create_key()["KeyMetadata"]["Arn"]
        os.mkdir(self.bench.path("other"))
        self.bench.write(
            "other/main.tf",
            f"""
            provider "aws" {{
              region            = "{REGION}"
              s3_use_path_style = true
            }}

            module "esker" {{
              source                       = "../modules/aws"
              name                         = "other"
              bucket_name                  = "records-with-a-key"
              bucket_encryption            = "aws:kms"
              bucket_kms_key_arn           = "{key}"
              bucket_prefix                = ""
              vpc_id                       = "{account.vpc}"
              database_subnet_ids          = {json.dumps(account.subnets)}
              database_client_cidr_blocks  = ["10.0.0.0/16"]
              database_engine_version      = "16.4"
              database_multi_az            = false
              database_deletion_protection = false
              database_final_snapshot      = false
              oidc_provider_arn            = "{account.oidc}"
              read_bucket_settings         = true
            }}
            """,
        )
        self.bench.init("other")
        self.apply_twice("other")
        s3 = account.client("s3")
        [rule] = s3.get_bucket_encryption(Bucket="records-with-a-key")["ServerSideEncryptionConfiguration"]["Rules"]
        self.assertEqual(rule["ApplyServerSideEncryptionByDefault"], {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key})
        self.assertTrue(rule["BucketKeyEnabled"])
        self.assertNotIn("Status", s3.get_bucket_versioning(Bucket="records-with-a-key"))
        self.assertEqual([rule["ID"] for rule in s3.get_bucket_lifecycle_configuration(Bucket="records-with-a-key")["Rules"]], ["abort-uploads"])
        self.assertEqual(account.client("ec2").describe_vpc_endpoints()["VpcEndpoints"], [])
        policy = account.client("iam").get_role_policy(RoleName="other-agents", PolicyName="bucket")["PolicyDocument"]
        self.assertEqual([statement["Sid"] for statement in policy["Statement"]], ["Objects", "List", "Settings", "Key"])
        self.terraform("other", "destroy", "-auto-approve")
        self.nothing_left()


def as_postgres():
    """Postgres refuses to run as root."""
    return ["runuser", "-u", "postgres", "--"] if os.getuid() == 0 else []


if __name__ == "__main__":
    unittest.main()
