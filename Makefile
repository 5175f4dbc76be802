# `make` or `make help` lists what there is. The recipes are short: the work is in scripts/.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
ENV := . scripts/lib.sh;

# Settings for `make run`, for example ARGS="--kafka-addr 127.0.0.1:9192".
ARGS ?=

.PHONY: help run install stores setup test lint e2e crash drivers

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' Makefile

run: ## build Esker and start it: one process, on 127.0.0.1:9092 (ARGS="…" adds settings)
	@$(ENV) cargo build --release -p esker; exec "$$CARGO_TARGET_DIR/release/esker" dev $(ARGS)

install: ## put the esker command into ~/.cargo/bin
	@$(ENV) exec cargo install --locked --path crates/esker

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

drivers: ## prove the test clients themselves against Apache Kafka
	@exec scripts/test drivers
