"""What entries need beyond what `scripts/setup` found: further jars, compiled classes, Python packages, librdkafka.

Everything comes from a package registry into the cache directory, once for each version of the list that pins it.
A part that cannot be had is a Skip that names what is missing.
"""

import fcntl
import glob
import hashlib
import json
import os
import shutil
import subprocess
import sys

from matrix.entry import Skip

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
MATRIX = os.path.join(ROOT, "tests", "matrix")
EXAMPLES = os.path.join(ROOT, "examples")
INSTALL_LIMIT_S = 1_800
SAID_CHARS_MAX = 2_000


class Parts:
    """Finds or makes each part when it is asked for."""

    def __init__(self, cache, build):
        self._cache = cache
        self.build = build

    # --- Java ------------------------------------------------------------------------------------

    def kafka_jars(self):
        jars = os.environ.get("ESKER_TEST_KAFKA_JARS")
        if not jars:
            raise Skip("Apache Kafka's jars are not here: it needs Java and Maven (see what scripts/setup says)")
        return jars

    def kafka_classpath(self):
        return os.path.join(self.kafka_jars(), "*")

    def ecosystem_classpath(self):
        """Streams, Connect and MirrorMaker beside the tools."""
        pom = os.path.join(MATRIX, "java", "pom.xml")

        def install(directory):
            need("mvn", "Maven fetches Kafka Streams, Connect and MirrorMaker")
            call(["mvn", "-B", "-ntp", "-q", "-f", pom, "dependency:copy-dependencies", f"-DoutputDirectory={directory}"])

        jars = self._once("java", [pom], install)
        return f"{os.path.join(jars, '*')}:{self.kafka_classpath()}"

    def classes(self, name, classpath):
        """The sources of tests/matrix/java/NAME, compiled."""
        sources = sorted(glob.glob(os.path.join(MATRIX, "java", name, "*.java")))

        def compile_them(directory):
            need("javac", "a Java compiler (17 or newer) compiles tests/matrix/java")
            call(["javac", "-encoding", "UTF-8", "-cp", classpath, "-d", directory, *sources])

        return f"{self._once('classes', sources, compile_them)}:{classpath}"

    # --- Python ----------------------------------------------------------------------------------

    def python(self):
        """The Python with the packages of tests/clients/python, which `scripts/setup` makes."""
        python = os.environ.get("ESKER_TEST_PYTHON")
        if not python:
            raise Skip("the Python clients are not here: see what scripts/setup says")
        return python

    def venv(self, requirements):
        """The Python of an environment with what the file `requirements` pins."""

        def install(directory):
            call([sys.executable, "-m", "venv", directory])
            call([os.path.join(directory, "bin", "python"), "-m", "pip", "install", "--disable-pip-version-check",
                  "--no-input", "-r", requirements])

        return os.path.join(self._once("python", [requirements], install, in_place=True), "bin", "python")

    def sdist(self, name_and_version):
        """The unpacked source distribution of a package on PyPI."""

        def install(directory):
            call([sys.executable, "-m", "pip", "download", "--disable-pip-version-check", "--no-input", "--no-deps",
                  "--no-binary", ":all:", "-d", directory, name_and_version])
            archive = glob.glob(os.path.join(directory, "*.tar.gz"))[0]
            shutil.unpack_archive(archive, directory)

        directory = self._once(f"sdist-{name_and_version}", [], install)
        return [path for path in glob.glob(os.path.join(directory, "*")) if os.path.isdir(path)][0]

    # --- librdkafka ------------------------------------------------------------------------------

    def librdkafka_source(self):
        """librdkafka with its tests: $LIBRDKAFKA_SRC, else what the crate of examples/rust carries."""
        given = os.environ.get("LIBRDKAFKA_SRC")
        if given:
            if not os.path.isdir(os.path.join(given, "tests")):
                raise Skip(f"LIBRDKAFKA_SRC={given} has no directory tests")
            return os.path.abspath(given)
        need("cargo", "cargo fetches the crate rdkafka-sys, which carries librdkafka (or name a checkout: LIBRDKAFKA_SRC)")
        manifest = os.path.join(EXAMPLES, "rust", "Cargo.toml")
        told = call(["cargo", "metadata", "--locked", "--format-version", "1", "--manifest-path", manifest])
        packages = {package["name"]: package for package in json.loads(told)["packages"]}
        source = os.path.join(os.path.dirname(packages["rdkafka-sys"]["manifest_path"]), "librdkafka")
        if not os.path.isdir(os.path.join(source, "tests")):
            raise Skip("the crate rdkafka-sys does not carry librdkafka's tests: name a checkout with LIBRDKAFKA_SRC")
        return source

    def librdkafka(self):
        """librdkafka, built with its C++ library (`installed` is the prefix) and its tests; the source stays as it was."""
        source = self.librdkafka_source()

        def build(directory):
            for tool in ("make", "cc", "c++"):
                need(tool, "a C and C++ compiler and make build librdkafka")
            shutil.copytree(source, directory, dirs_exist_ok=True, symlinks=True)
            call(["./configure", f"--prefix={directory}/installed", "--enable-static", "--disable-gssapi", "--disable-curl"],
                 cwd=directory)
            call(["make", "-j2", "libs"], cwd=directory)
            call(["make", "-C", "src", "install"], cwd=directory)
            call(["make", "-C", "src-cpp", "install"], cwd=directory)
            call(["make", "-C", "tests", "build"], cwd=directory)

        return self._once("librdkafka", [os.path.join(source, "src", "rdkafka.h"), os.path.join(source, "CHANGELOG.md")], build,
                          in_place=True)

    # --- once ------------------------------------------------------------------------------------

    def _once(self, what, inputs, make, in_place=False):
        """The directory that `make` fills; again only when the bytes of `inputs` have changed.

        `in_place`: what is made cannot be moved afterwards.
        """
        digest = hashlib.sha256(what.encode())
        for path in inputs:
            with open(path, "rb") as file:
                digest.update(file.read())
        directory = os.path.join(self._cache, "matrix", f"{what}-{digest.hexdigest()[:12]}")
        os.makedirs(os.path.dirname(directory), exist_ok=True)
        with open(f"{directory}.lock", "w", encoding="ascii") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if os.path.exists(os.path.join(directory, ".complete")):
                return directory
            print(f"  …    {what} is made once, in {directory}", flush=True)
            making = directory if in_place else f"{directory}.making"
            for left in (directory, making):
                shutil.rmtree(left, ignore_errors=True)
            os.makedirs(making)
            make(making)
            with open(os.path.join(making, ".complete"), "w", encoding="ascii"):
                pass
            if not in_place:
                os.rename(making, directory)
        return directory


def need(program, why):
    if shutil.which(program) is None:
        raise Skip(f"no {program}: {why}")


def call(argv, cwd=None, env=None):
    """Run an installer; a Skip with its last words if it fails, since no client was tried yet."""
    try:
        done = subprocess.run(argv, cwd=cwd, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              timeout=INSTALL_LIMIT_S, check=False)
    except subprocess.TimeoutExpired:
        raise Skip(f"{' '.join(argv)[:200]}: still running after {INSTALL_LIMIT_S} s") from None
    if done.returncode != 0:
        said = (done.stdout + b"\n" + done.stderr).decode(errors="replace").strip()
        raise Skip(f"{' '.join(argv)[:200]}: exit code {done.returncode}\n{said[-SAID_CHARS_MAX:]}")
    return done.stdout.decode(errors="replace")
