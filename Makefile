# `make` or `make help` lists what there is. The recipes are short: the work is in scripts/.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
ENV := . scripts/lib.sh;

# Settings for `make run`, for example ARGS="--kafka-addr 127.0.0.1:9192".
ARGS ?=

# Settings for `make sim`: SEEDS=n, FROM=first, or SEED=n to replay one; PLANT=name for `make sim-planted`.
SEEDS ?= 1000
# How long `make chaos`, `make fuzz` and each overload of `make attack` go on; chaos draws its faults from SEED, fuzz can take one TARGET.
MINUTES ?= 20

# The allocator's settings of an agent (crates/esker/src/allocator.rs), for programs that only share the allocator.
ALLOCATOR := background_thread:true,dirty_decay_ms:60000,muzzy_decay_ms:0,oversize_threshold:0,narenas:1

# Results that `make bench-compare` sets side by side, as `make bench` left them.
A ?=
B ?=

.PHONY: help image k8s run install stores setup test lint e2e crash drivers matrix sim sim-planted sim-nightly upgrade chaos fuzz attack bench bench-compare micro micro-counts telemetry dashboards terraform book docs-reference

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile

run: ## build Esker and start it: one process, on 127.0.0.1:9092 (ARGS="…" adds settings)
	@$(ENV) cargo build --release -p esker; exec "$$CARGO_TARGET_DIR/release/esker" dev $(ARGS)

install: ## put the esker command into ~/.cargo/bin
	@$(ENV) exec cargo install --locked --path crates/esker

image: ## build the container image without a container engine, with all optimisations: takes long
	@$(ENV) scripts/dist; exec scripts/image --revision "$$(git rev-parse HEAD)" $(ARGS)

k8s: setup ## the charts on the cluster of KUBECONFIG: install, upgrade, scale, kill (ARGS=--list names the steps; tests/k8s/run.py says what it takes)
	@$(ENV) . "$$ESKER_CACHE/env.sh"; PYTHONDONTWRITEBYTECODE=1 exec "$${ESKER_TEST_PYTHON:-python3}" tests/k8s/run.py $(ARGS)

stores: setup ## start a Postgres and an S3 server for trying agents; Ctrl-C ends them
	@exec scripts/stores

setup: ## install what the tests need (test, lint, e2e, … do this by themselves)
	@exec scripts/setup

test: ## what every change must pass: formatting, lints, licences, all quick tests
	@exec scripts/test change

lint: ## formatting, lints, licences, shell scripts
	@exec scripts/test lint

e2e: ## stock clients against an optimised build, on SQLite and on Postgres with S3
	@exec scripts/test e2e

crash: ## kill -9 in a loop under idempotent producers; takes long
	@exec scripts/test crash

upgrade: ## agents of the release before beside those of this one, with clients on
	@exec scripts/test upgrade

sim: ## simulate whole clusters: SEEDS=n, or SEED=n to replay one (ARGS="--log --history" tells more, ARGS=--groups adds groups)
	@$(ENV) cargo build --profile sim -p esker-sim; exec "$$CARGO_TARGET_DIR/sim/esker-sim" $(if $(SEED),--seed $(SEED),--seeds $(SEEDS) $(if $(FROM),--from $(FROM))) $(ARGS)

sim-planted: ## plant every mistake of the table in the agents and count the seeds until it is caught (PLANT=name for one)
	@$(ENV) cargo build --profile sim -p esker-sim --features planted; exec "$$CARGO_TARGET_DIR/sim/esker-sim" --plant $(or $(PLANT),all) $(if $(SEED),--seed $(SEED),--seeds 4000 $(if $(FROM),--from $(FROM))) $(ARGS)

sim-nightly: ## 10,000 fresh seeds and every planted mistake; the summaries are left in the target directory
	@exec scripts/test sim-nightly

chaos: ## real faults on real processes under real clients: MINUTES=n (SEED=n draws the same faults again)
	@MINUTES=$(MINUTES) SEED=$(SEED) exec scripts/test chaos

attack: ## an open port under attack, the long forms: MINUTES=n for each overload
	@MINUTES=$(MINUTES) exec scripts/test attack

fuzz: ## fuzz what arrives from outside: MINUTES=n in all (TARGET=name for one target)
	@exec scripts/fuzz $(MINUTES) $(TARGET)

bench: ## measure Esker and Apache Kafka beside it: one table (ARGS="--quick --only produce-1mb"; --help says more)
	@ARGS='$(ARGS)' exec scripts/test bench

bench-compare: ## what moved between two runs of `make bench`: A=results.json B=results.json
	@$(ENV) cargo build --release -p esker-bench; exec "$$CARGO_TARGET_DIR/release/esker-bench" compare "$(A)" "$(B)"

micro: ## time the stages of the data path one by one (ARGS="seal plan" takes those)
	@$(ENV) [ ! -e "$$ESKER_CACHE/env.sh" ] || . "$$ESKER_CACHE/env.sh"; _RJEM_MALLOC_CONF=$(ALLOCATOR) exec cargo bench --profile release -p esker-micro --bench stages -- $(ARGS)

micro-counts: ## count the instructions of each stage: the same on a busy machine (ARGS="seal plan" takes those)
	@exec scripts/micro-counts $(ARGS)

telemetry: ## alerts with broken rules, and the time of the dashboards' queries on a day of data
	@exec scripts/test telemetry

dashboards: setup ## make helm/esker/dashboards from tests/telemetry/dashboards
	@$(ENV) . "$$ESKER_CACHE/env.sh"; exec "$${ESKER_TEST_PYTHON:?no Python here: see what scripts/setup says}" tests/telemetry/dashboards.py

terraform: ## apply terraform/ to local servers, moto for AWS and MinIO, and destroy it again; takes a while
	@exec scripts/test terraform

drivers: ## prove the test clients themselves against Apache Kafka
	@exec scripts/test drivers

matrix: ## stock clients and tools, TARGET=kafka|dev|cluster (ARGS="console-tools go" takes those; --list, --record)
	@exec scripts/matrix $(if $(filter --list,$(ARGS)),,$(or $(TARGET),dev)) $(ARGS)

book: setup ## build the documentation as a site, in the target directory
	@$(ENV) . "$$ESKER_CACHE/env.sh"; exec "$${ESKER_MDBOOK:?no mdBook here: see what scripts/setup says}" build --dest-dir "$$CARGO_TARGET_DIR/book"

docs-reference: ## write docs/reference/ anew from the code
	@$(ENV) ESKER_DOCS_WRITE=1 exec cargo test -p esker --test docs
