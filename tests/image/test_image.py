"""The image that scripts/image makes, and what Dockerfile and docker-compose.yml say about it.

No container engine is needed, and none is there to prove the rest: that `docker build` and `docker compose up` run is not
shown here. What the Dockerfile puts into the image is laid out by scripts/image in both ways.
"""
import gzip
import hashlib
import importlib.machinery
import importlib.util
import io
import json
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import tarfile
import tempfile
import unittest
import unittest.mock

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
IMAGE = ROOT / "scripts" / "image"
# Any small program that is linked to the C library.
PROGRAM = shutil.which("true")


def load_image():
    loader = importlib.machinery.SourceFileLoader("esker_image", str(IMAGE))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("esker_image", loader))
    loader.exec_module(module)
    return module


def run(*arguments, **environment):
    return subprocess.run([IMAGE, *arguments], capture_output=True, text=True, check=False, env={**os.environ, **environment})


def esker_binary():
    """The program that was built last, if there is one."""
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", "target"))
    built = [path for path in (target / "debug" / "esker", target / "release" / "esker") if path.exists()]
    return max(built, key=lambda path: path.stat().st_mtime, default=None)


def skip(test, why):
    """Said where scripts/test counts it."""
    if os.environ.get("ESKER_TEST_SKIPS"):
        with open(os.environ["ESKER_TEST_SKIPS"], "a", encoding="utf-8") as skips:
            skips.write(f"{test.id()}: {why}\n")
    test.skipTest(why)


class Archive:
    """An archive, read the way an engine reads it: from index.json by digests."""

    def __init__(self, path):
        with tarfile.open(path) as archive:
            self.files = {member.name: archive.extractfile(member).read() for member in archive}
        self.index = json.loads(self.files["index.json"])
        self.manifest = json.loads(self.blob(self.index["manifests"][0]))
        self.image = json.loads(self.blob(self.manifest["config"]))
        self.layers = [gzip.decompress(self.blob(layer)) for layer in self.manifest["layers"]]
        self.members = {}
        for layer in self.layers:
            with tarfile.open(fileobj=io.BytesIO(layer)) as tar:
                self.members.update({member.name: member for member in tar})

    def blob(self, described):
        algorithm, digest = described["digest"].split(":")
        data = self.files[f"blobs/{algorithm}/{digest}"]
        assert len(data) == described["size"], "the size of a blob"
        assert hashlib.new(algorithm, data).hexdigest() == digest, "the digest of a blob"
        return data


class TheArchive(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.directory = tempfile.TemporaryDirectory()
        cls.path = os.path.join(cls.directory.name, "esker.tar")
        made = run("--binary", PROGRAM, "--output", cls.path, "--tag", "docker.io/library/esker:test")
        assert made.returncode == 0, made.stderr
        cls.archive = Archive(cls.path)

    @classmethod
    def tearDownClass(cls):
        cls.directory.cleanup()

    def test_layers_are_what_the_image_says(self):
        plain = ["sha256:" + hashlib.sha256(layer).hexdigest() for layer in self.archive.layers]
        self.assertEqual(self.archive.image["rootfs"]["diff_ids"], plain)
        for_docker = json.loads(self.archive.files["manifest.json"])[0]
        self.assertEqual(for_docker["RepoTags"], ["docker.io/library/esker:test"])
        for path in [for_docker["Config"], *for_docker["Layers"]]:
            self.assertIn(path, self.archive.files)

    def test_the_program_is_a_layer_of_its_own(self):
        with tarfile.open(fileobj=io.BytesIO(self.archive.layers[-1])) as tar:
            self.assertEqual([member.name for member in tar if member.isfile()], ["usr/bin/esker"])

    def test_it_runs_as_nobody_in_particular(self):
        config = self.archive.image["config"]
        self.assertEqual(config["User"], "65532:65532")
        self.assertEqual((config["Entrypoint"], config["Cmd"]), (["/usr/bin/esker"], ["agent"]))
        self.assertEqual(config["StopSignal"], "SIGTERM")

    def test_nothing_in_it_can_be_changed_or_gives_rights(self):
        for member in self.archive.members.values():
            self.assertEqual((member.uid, member.gid), (0, 0), member.name)
            self.assertEqual(member.mode & 0o7022, 0, f"{member.name} has mode {member.mode:o}")

    def test_there_is_no_second_program(self):
        names = [name for name in self.archive.members if re.search(r"(^|/)s?bin/", name)]
        self.assertEqual(names, ["usr/bin/esker"])

    def test_it_has_certificates_and_licences(self):
        self.assertIn("etc/ssl/certs/ca-certificates.crt", self.archive.members)
        self.assertIn("usr/share/doc/esker/LICENSE", self.archive.members)

    def test_the_same_files_give_the_same_archive(self):
        again = os.path.join(self.directory.name, "again.tar")
        run("--binary", PROGRAM, "--output", again, "--tag", "docker.io/library/esker:test")
        self.assertEqual(pathlib.Path(again).read_bytes(), pathlib.Path(self.path).read_bytes())

    @unittest.skipUnless(os.geteuid() == 0, "chroot needs root")
    def test_its_libraries_are_enough(self):
        tree = os.path.join(self.directory.name, "tree")
        laid_out = run("--binary", PROGRAM, "--tree", tree)
        self.assertEqual(laid_out.returncode, 0, laid_out.stderr)
        ran = subprocess.run(["chroot", "--userspec=65532:65532", tree, "/usr/bin/esker"], capture_output=True, check=False)
        self.assertEqual(ran.returncode, 0, ran.stderr)
        os.remove(next(pathlib.Path(tree).rglob("libc.so.6")))
        ran = subprocess.run(["chroot", "--userspec=65532:65532", tree, "/usr/bin/esker"], capture_output=True, check=False)
        self.assertNotEqual(ran.returncode, 0, "it found a C library outside the image")


class Refusals(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.directory = directory.name

    def refused(self, *arguments):
        made = run(*arguments)
        self.assertEqual(made.returncode, 1, made.stdout)
        return made.stderr

    def test_no_program(self):
        self.assertIn("run scripts/dist", self.refused("--binary", "/nonexistent", "--output", self.directory + "/x.tar"))

    def test_a_directory_in_use(self):
        pathlib.Path(self.directory, "mine").write_text("")
        self.assertIn("is not empty", self.refused("--binary", PROGRAM, "--tree", self.directory))
        self.assertEqual(os.listdir(self.directory), ["mine"])

    def test_a_name_that_is_not_full(self):
        self.assertIn("not a full image name", self.refused("--binary", PROGRAM, "--output", self.directory + "/x.tar", "--tag", "esker:dev"))
        self.assertEqual(os.listdir(self.directory), [])

    def test_an_image_that_is_too_big(self):
        image = load_image()
        with unittest.mock.patch.object(image, "COMPRESSED_MAX", 1000), self.assertRaisesRegex(image.Refused, "MB compressed, more than"):
            image.esker_command(["--binary", PROGRAM, "--output", self.directory + "/x.tar"])
        self.assertEqual(os.listdir(self.directory), [])


class TheDockerfile(unittest.TestCase):
    """It cannot be run here: what can be read off it has to agree with what is packed."""

    def setUp(self):
        text = (ROOT / "Dockerfile").read_text().replace("\\\n", " ")
        self.lines = [line for line in text.splitlines() if line and not line.startswith("#")]
        last = max(number for number, line in enumerate(self.lines) if line.startswith("FROM "))
        self.final = self.lines[last:]
        self.config = load_image().configuration("")

    def words(self, instruction):
        return [line.split(None, 1)[1] for line in self.final if line.split()[0] == instruction]

    def test_the_last_stage_starts_from_nothing_and_takes_what_scripts_image_laid_out(self):
        self.assertEqual(self.words("FROM"), ["scratch"])
        self.assertEqual(self.words("COPY"), ["--from=build /image /"])
        build = " ".join(line for line in self.lines if line.startswith("RUN"))
        self.assertIn("scripts/dist --out /package", build)
        self.assertIn("scripts/image --binary /package/esker --tree /image", build)
        self.assertFalse([line for line in self.final if line.startswith("RUN")], "there is no shell to run anything")

    def test_it_says_what_the_packed_image_says(self):
        self.assertEqual(self.words("USER"), [self.config["User"]])
        self.assertEqual(json.loads(self.words("ENTRYPOINT")[0]), self.config["Entrypoint"])
        self.assertEqual(json.loads(self.words("CMD")[0]), self.config["Cmd"])
        self.assertEqual(self.words("STOPSIGNAL"), [self.config["StopSignal"]])
        self.assertEqual({f"{port}/tcp" for port in self.words("EXPOSE")[0].split()}, set(self.config["ExposedPorts"]))
        flags, command = self.words("HEALTHCHECK")[0].split(" CMD ")
        health = self.config["Healthcheck"]
        self.assertEqual(["CMD", *json.loads(command)], health["Test"])
        given = dict(flag.removeprefix("--").split("=") for flag in shlex.split(flags))
        seconds = {name: int(given[name].removesuffix("s")) * 1_000_000_000 for name in ("interval", "timeout", "start-period")}
        self.assertEqual(seconds, {"interval": health["Interval"], "timeout": health["Timeout"], "start-period": health["StartPeriod"]})
        self.assertEqual(int(given["retries"]), health["Retries"])

    def test_its_health_check_is_a_command_of_the_program(self):
        binary = esker_binary()
        if binary is None:
            skip(self, "esker was not built")
        ran = subprocess.run([binary, *self.config["Healthcheck"]["Test"][2:], "--admin-addr", "127.0.0.1:1"], capture_output=True, text=True, check=False)
        self.assertEqual(ran.returncode, 1, ran.stderr)

    def test_the_compiler_is_that_of_the_workspace(self):
        channel = re.search(r'channel = "([^"]+)"', (ROOT / "rust-toolchain.toml").read_text()).group(1)
        self.assertIn(f"ARG RUST_VERSION={channel}", self.lines)

    def test_what_is_ignored_is_not_needed(self):
        ignored = {line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")}
        members = re.search(r"members = \[(.*?)\]", (ROOT / "Cargo.toml").read_text(), re.DOTALL).group(1)
        for needed in {"crates", "migrations", "scripts", "Cargo.lock", *(member.split("/")[0] for member in re.findall(r'"([^"]+)"', members))}:
            self.assertNotIn(needed, ignored)


class TheComposeFile(unittest.TestCase):
    def setUp(self):
        with open(ROOT / "docker-compose.yml", encoding="utf-8") as file:
            self.services = yaml.safe_load(file)["services"]
        self.agents = {name: service for name, service in self.services.items() if service.get("command") == ["agent"]}

    def test_three_agents_with_names_and_ports_of_their_own(self):
        self.assertEqual(len(self.agents), 3)
        ports = [port for service in self.services.values() for port in service.get("ports", [])]
        self.assertEqual(len({port.rsplit(":", 1)[0] for port in ports}), len(ports), "a port is published twice")
        for port in ports:
            self.assertTrue(port.startswith("127.0.0.1:"), f"{port} is open to others")
        for name in ("ESKER_NODE_NAME", "ESKER_ADVERTISED_LISTENERS"):
            self.assertEqual(len({agent["environment"][name] for agent in self.agents.values()}), 3, name)

    def test_clients_are_told_what_is_published(self):
        for name, agent in self.agents.items():
            listeners = dict(item.split("://") for item in agent["environment"]["ESKER_LISTENERS"].split(","))
            advertised = dict(item.split("://") for item in agent["environment"]["ESKER_ADVERTISED_LISTENERS"].split(","))
            self.assertEqual(advertised["PLAINTEXT"], f"{name}:{listeners['PLAINTEXT'].split(':')[1]}")
            outside, inside = next(port for port in agent["ports"] if port.endswith(listeners["HOST"].split(":")[1])).rsplit(":", 1)
            self.assertEqual(advertised["HOST"], f"localhost:{outside.split(':')[1]}")

    def test_what_is_waited_for_exists(self):
        for name, service in self.services.items():
            for other, how in service.get("depends_on", {}).items():
                self.assertIn(other, self.services, name)
                if how["condition"] == "service_healthy":
                    self.assertIn("test", self.services[other]["healthcheck"], f"{name} waits for ever for {other}")

    def test_agents_are_killed_after_their_grace(self):
        for agent in self.agents.values():
            grace = int(agent["environment"].get("ESKER_SHUTDOWN_GRACE_SECONDS", 30))
            self.assertGreater(int(agent["stop_grace_period"].removesuffix("s")), grace)

    def test_images_of_others_are_pinned(self):
        for name, service in self.services.items():
            if "build" not in service:
                self.assertRegex(service["image"], r":.*\d", name)

    def test_every_setting_is_one(self):
        """The program itself reads the variables of each service; a wrong name or value is exit code 2."""
        binary = esker_binary()
        if binary is None:
            skip(self, "esker was not built")
        for name, service in self.services.items():
            if "build" not in service:
                continue
            environment = {key: str(value) for key, value in service["environment"].items()}
            # It ends at once after it has read its settings: nobody answers at this address, and the bucket is a directory.
            stores = tempfile.TemporaryDirectory()
            self.addCleanup(stores.cleanup)
            self.assertTrue(environment.get("ESKER_BUCKET_URL", "s3://esker/esker").startswith("s3://esker/"))
            environment.update(ESKER_METASTORE_URL="postgres://esker@127.0.0.1:1/esker", ESKER_BUCKET_URL=f"file://{stores.name}")
            subcommand = ["check"] if service.get("command") == ["agent"] else [*service.get("command", ["topic", "list"]), "--help"]
            for extra, code in (({}, {0, 1}), ({"ESKER_METASTORE_ULR": "x"}, {2} if subcommand == ["check"] else {0})):
                environment_now = {"PATH": os.environ["PATH"], **environment, **extra}
                ran = subprocess.run([binary, *subcommand], env=environment_now, capture_output=True, text=True, check=False, timeout=120)
                self.assertIn(ran.returncode, code, f"{name}: {ran.stdout}{ran.stderr}")


if __name__ == "__main__":
    unittest.main()
