"""The images of the tests on a node: Esker of today, Esker of an earlier commit, and the parts beside it.

Parts are one Debian tree with Postgres, MinIO and Python with librdkafka's own client, so that nothing has to be pulled.
Images are archives that scripts/image packs; ESKER_K8S_LOAD is the command that gives one to the nodes. Their tags are
made of their bytes, so that a node never runs an older one under the same name. Everything but today's program is cached
below $ESKER_CACHE/k8s; a step that fails leaves nothing half made there.
"""
import hashlib
import os
import pathlib
import shlex
import shutil
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]
CACHE = pathlib.Path(os.environ["ESKER_CACHE"]) / "k8s"
TARGET = pathlib.Path(os.environ["CARGO_TARGET_DIR"])
SUITE = "bookworm"
PACKAGES = "postgresql-15,python3-minimal,libpython3-stdlib,ca-certificates"
PYTHON = "3.11"  # of that suite
CLIENT = "confluent-kafka==2.16.1"
PARTS_PATH = "/usr/lib/postgresql/15/bin:/usr/local/bin:/usr/bin:/bin"


class Missing(Exception):
    """What cannot be had, and what to do, in a sentence."""


class Images:
    """Names of the three images, loaded where that is asked for."""

    def __init__(self, say):
        self.say = say
        self.load_command = shlex.split(os.environ.get("ESKER_K8S_LOAD", ""))
        self.current = self._image("ESKER_K8S_IMAGE", self._pack_current)
        self.previous = self._image("ESKER_K8S_PREVIOUS_IMAGE", self._pack_previous)
        self.parts = self._image("ESKER_K8S_PARTS_IMAGE", self._pack_parts)
        # 999 is that of the images that Postgres publishes.
        self.postgres_uid = int(os.environ.get("ESKER_K8S_POSTGRES_UID") or (999 if os.environ.get("ESKER_K8S_PARTS_IMAGE") else postgres_uid(parts_tree(say))))

    def _image(self, variable, pack):
        if os.environ.get(variable):
            return os.environ[variable]
        if not self.load_command:
            raise Missing(f"say with ESKER_K8S_LOAD how an image archive gets to the nodes (for example \"kind load image-archive\"), or name an image with {variable}")
        return pack()

    def _load(self, archive, tag):
        ran = subprocess.run([*self.load_command, str(archive)], capture_output=True, text=True, check=False)
        if ran.returncode != 0:
            raise Missing(f"{shlex.join(self.load_command)} {archive} failed: {(ran.stderr or ran.stdout).strip()}")
        self.say(f"loaded {tag}: {archive.stat().st_size / 1e6:.1f} MB")
        return tag

    def _pack_esker(self, binary, name):
        """Packs a program as it is shipped: without its symbols."""
        package = CACHE / f"{name}-package"
        ran = subprocess.run([ROOT / "scripts/dist", "--binary", binary, "--out", package], capture_output=True, text=True, check=False)
        if ran.returncode != 0:
            raise Missing(ran.stderr.strip())
        tag = f"docker.io/library/{name}:{digest_of(package / 'esker')}"
        archive = CACHE / f"{name}.tar"
        ran = subprocess.run([ROOT / "scripts/image", "--binary", package / "esker", "--tag", tag, "--output", archive], capture_output=True, text=True, check=False)
        shutil.rmtree(package)
        if ran.returncode != 0:
            raise Missing(ran.stderr.strip())
        return self._load(archive, tag)

    def _pack_current(self):
        binary = pathlib.Path(os.environ.get("ESKER_K8S_BINARY") or TARGET / "release/esker")
        if not binary.exists():
            raise Missing(f"no program at {binary}: cargo build --release -p esker, or name one with ESKER_K8S_BINARY")
        return self._pack_esker(binary, "esker")

    def _pack_previous(self):
        return self._pack_esker(previous_binary(self.say), "esker-previous")

    def _pack_parts(self):
        tree = parts_tree(self.say)
        archive, named = CACHE / "parts.tar", CACHE / "parts.tag"
        minio = os.environ.get("ESKER_TEST_MINIO")
        if not minio:
            raise Missing("there is no MinIO here: see what scripts/setup says")
        tag = f"docker.io/library/esker-parts:{tree.name}"
        if not archive.exists() or not named.exists() or named.read_text() != tag:
            self.say("packing Postgres, MinIO and the client")
            ran = subprocess.run(
                [ROOT / "scripts/image", "pack", "--tag", tag, "--output", archive, "--level", "1", "--tree", tree, "--add", f"{minio}:usr/local/bin/minio",
                 "--env", f"PATH={PARTS_PATH}", "--env", "PYTHONPATH=/opt/client", "--env", "LANG=C.UTF-8", "--user", "65534:65534"],
                capture_output=True, text=True, check=False)
            if ran.returncode != 0:
                raise Missing(ran.stderr.strip())
            named.write_text(tag)
        return self._load(archive, tag)


def digest_of(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:12]


def previous_chart():
    """The commit whose chart is upgraded from."""
    lines = (ROOT / "tests/k8s/previous").read_text().splitlines()
    return next(line.split()[0] for line in lines if line and not line.startswith("#"))


def previous_binary(say):
    """The program of the release before; built once, which takes as long as a release build does."""
    say("looking for the program of the release before, or building it")
    ran = subprocess.run([ROOT / "scripts/previous"], stdout=subprocess.PIPE, text=True, check=False)
    if ran.returncode != 0:
        raise Missing("the program of the release before cannot be had: see above")
    return ran.stdout.strip()


def export(commit, path, into):
    """Writes a part of an earlier commit into a directory."""
    archive = subprocess.run(["git", "-C", ROOT, "archive", commit, path], capture_output=True, check=False)
    if archive.returncode != 0:
        raise Missing(f"the clone does not have the commit {commit}: {archive.stderr.decode().strip()}")
    subprocess.run(["tar", "-x", "-C", into], input=archive.stdout, check=True)


def parts_tree(say):
    """A Debian with what is run beside Esker, in a directory named after what is in it."""
    wanted = hashlib.sha256(f"{SUITE} {PACKAGES} {CLIENT} {PARTS_PATH}".encode()).hexdigest()[:12]
    tree = CACHE / "trees" / wanted
    if tree.exists():
        return tree
    if os.geteuid() != 0:
        raise Missing("a Debian tree is made by root only: name an image with ESKER_K8S_PARTS_IMAGE (see the head of tests/k8s/run.py)")
    if not shutil.which("debootstrap"):
        subprocess.run(["apt-get", "install", "-y", "-qq", "--no-install-recommends", "debootstrap"], capture_output=True, check=False)
    if not shutil.which("debootstrap"):
        raise Missing("no debootstrap to make a Debian tree with (Debian: apt install debootstrap)")
    making = tree.with_name(tree.name + ".making")
    shutil.rmtree(making, ignore_errors=True)
    making.parent.mkdir(parents=True, exist_ok=True)
    say("making a Debian tree with Postgres and Python, once: some two minutes")
    run_logged(["nice", "-n", "5", "debootstrap", "--variant=minbase", f"--include={PACKAGES}", SUITE, making])
    for waste in ("var/cache/apt", "var/lib/apt/lists", "usr/share/doc", "usr/share/man", "usr/share/locale"):
        shutil.rmtree(making / waste, ignore_errors=True)
        (making / waste).mkdir(parents=True)
    python = os.environ.get("ESKER_TEST_PYTHON", "python3")
    run_logged([python, "-m", "pip", "install", "--disable-pip-version-check", "--no-input", "-q", "--only-binary=:all:", "--python-version", PYTHON,
                "--target", making / "opt/client", CLIENT])
    making.rename(tree)
    return tree


def run_logged(command):
    ran = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if ran.returncode != 0:
        tail = "\n".join(ran.stdout.splitlines()[-15:])
        raise Missing(f"{shlex.join(str(word) for word in command)} failed:\n{tail}")


def postgres_uid(tree):
    for line in (tree / "etc/passwd").read_text().splitlines():
        if line.startswith("postgres:"):
            return line.split(":")[2]
    raise Missing(f"{tree} has no user postgres")
