"""A copy of terraform/ to work in, and Terraform run there.

Terraform writes beside the files that it reads, so it never works in the clone. A copy lies below $CARGO_TARGET_DIR
(else where temporary files do) and is removed at the end, unless the test failed. The provider comes from the directory that
ESKER_TERRAFORM_PLUGINS names; no variable of the caller for Terraform or AWS reaches a run.
"""

import json
import os
import re
import shutil
import subprocess
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SOURCES = os.path.join(ROOT, "terraform")
MODULES = ["modules/agent-policy", "modules/aws"]
EXAMPLES = ["examples/complete", "examples/minio-local"]

TERRAFORM = os.environ.get("ESKER_TERRAFORM")
WITHOUT = None if TERRAFORM else "no Terraform with its AWS provider: scripts/setup says more"
DEADLINE_S = 900


class Failed(Exception):
    """Terraform ended with an error; the text is what it wrote."""


class Workbench:
    def __init__(self):
        above = os.environ.get("CARGO_TARGET_DIR")
        if above:
            os.makedirs(above, exist_ok=True)
        self.directory = tempfile.mkdtemp(prefix="terraform-", dir=above)
        self.files = os.path.join(self.directory, "terraform")
        ignore = shutil.ignore_patterns(".terraform*", "*.tfstate*", "*.tfvars")
        shutil.copytree(SOURCES, self.files, ignore=ignore)
        self.settings = os.path.join(self.directory, "terraformrc")
        open(self.settings, "w").close()

    def path(self, *parts):
        return os.path.join(self.files, *parts)

    def remove(self):
        shutil.rmtree(self.directory, ignore_errors=True)

    def write(self, name, text):
        with open(self.path(name), "w") as file:
            file.write(text)

    def run(self, folder, *arguments, environment=None, codes=(0,)):
        """Runs Terraform in a folder of the copy; returns what it wrote, both streams together."""
        kept = {name: value for name, value in os.environ.items() if not re.match("TF_|AWS_", name)}
        own = {"TF_CLI_CONFIG_FILE": self.settings, "TF_IN_AUTOMATION": "1", "TF_INPUT": "0", "CHECKPOINT_DISABLE": "1"}
        # Nobody is asked for an identity who is not there.
        own["AWS_EC2_METADATA_DISABLED"] = "true"
        ended = subprocess.run(
            [TERRAFORM, f"-chdir={self.path(folder)}", *arguments],
            env={**kept, **own, **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=DEADLINE_S,
        )
        if ended.returncode not in codes:
            raise Failed(f"terraform {' '.join(arguments)} in {folder} ended with {ended.returncode}:\n{ended.stdout}")
        return ended.stdout

    def init(self, folder):
        plugins = os.environ.get("ESKER_TERRAFORM_PLUGINS")
        self.run(folder, "init", "-no-color", "-backend=false", *([f"-plugin-dir={plugins}"] if plugins else []))

    def output(self, folder, environment=None):
        outputs = json.loads(self.run(folder, "output", "-json", environment=environment))
        return {name: output["value"] for name, output in outputs.items()}
