# Everything runs from .venv, which each target makes when it is absent. PYTHON names the interpreter it is made with (3.11 or newer).
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help setup demo test check format reference loadtest-engine loadtest-pipeline loadtest-soak differential fuzz fuzz-format simulation storm lock

PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready

help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/\1\t\2/' | expand -t 19

setup: $(READY) ## Make .venv with the locked packages and the betrace command

demo: $(READY) ## Judge recorded traces on an embedded broker until Ctrl-C, or for SECONDS_MAX=N seconds; ARGS=--kill kills workers
	$(BIN)/betrace demo $(if $(SECONDS_MAX),--seconds $(SECONDS_MAX)) $(ARGS)

test: $(READY) ## Run every test; ARGS="…" goes to pytest
	$(BIN)/python -m pytest $(ARGS)

check: $(READY) ## What CI runs: lint, format, types, import contracts, reference pages, tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m docs.reference_pages --check
	@$(MAKE) --no-print-directory test

format: $(READY) ## Rewrite the code in the house format and mend what can be mended
	$(BIN)/ruff check --fix-only --exit-zero .
	$(BIN)/ruff format .

reference: $(READY) ## Write the generated pages of docs/reference anew
	$(BIN)/python -m docs.reference_pages

SEED ?= 1
EXAMPLES ?= 100000
RECORDS ?= 1000000
FILES ?= 100000
JOBS ?= 2
SEEDS ?= 0:10000

differential: $(READY) ## Compare the engine with the reference on EXAMPLES made ones of a SEED, in JOBS processes
	$(BIN)/python -m tests.differential.long_run --seed $(SEED) --examples $(EXAMPLES) --jobs $(JOBS) $(ARGS)

fuzz: $(READY) ## Give the engine RECORDS damaged records of a SEED before a guard page, in JOBS processes
	$(BIN)/python -m tests.differential.fuzz --seed $(SEED) --records $(RECORDS) --jobs $(JOBS) $(ARGS)

fuzz-format: $(READY) ## Format FILES mutated rule files of a SEED and try the formatter's laws on them, in JOBS processes
	$(BIN)/python -m tests.properties.format_fuzz --seed $(SEED) --files $(FILES) --jobs $(JOBS) $(ARGS)

simulation: $(READY) ## Run the core in simulated worlds, SEEDS=A:B of them, in JOBS processes
	$(BIN)/python -m tests.simulation.run --seeds $(SEEDS) --jobs $(JOBS) $(ARGS)

RUNS ?= 20
SECONDS ?= 60

storm: $(READY) ## Break everything around the workers for SECONDS, in RUNS storms from a SEED on, on Apache Kafka and Redis
	$(BIN)/python -m tests.e2e.storm --seed $(SEED) --runs $(RUNS) --seconds $(SECONDS)

loadtest-engine: $(READY) ## Measure the engine beside what it is compared with; ARGS="--quick" ends within a minute
	$(BIN)/python -m loadtest engine $(ARGS)

loadtest-pipeline: $(READY) ## Measure workers on Apache Kafka and a store; ARGS="--quick" ends within 12 minutes
	$(BIN)/python -m loadtest pipeline $(ARGS)

loadtest-soak: $(READY) ## Let a worker run at half load for an hour; ARGS="--quick": for four minutes
	$(BIN)/python -m loadtest soak $(ARGS)

COMPILE := $(BIN)/pip-compile --quiet --strip-extras --no-header --no-annotate --no-emit-index-url --no-emit-trusted-host --no-emit-find-links
lock: $(READY) ## Pin the newest packages that pyproject.toml allows
	$(COMPILE) --upgrade --output-file requirements.lock pyproject.toml
	$(COMPILE) --upgrade --unsafe-package pip --constraint requirements.lock --extra dev --output-file requirements-dev.lock pyproject.toml

$(READY): requirements-dev.lock pyproject.toml
	@echo "making .venv: the first time takes about a minute"
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --requirement requirements-dev.lock
	@PYTHONWARNINGS=ignore $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@
