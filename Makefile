# One line a habit; each calls `aiplatform` or a standard tool. `make help` lists them.
VENV ?= .venv
WORKERS ?= 2
BIN := $(VENV)/bin
export VENV

.DEFAULT_GOAL := help
.PHONY: help up down status logs test test-slow test-emitters check format bench bench-tracing bench-eval docs messages environment environment-dev

help:  ## List the habits
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20

up: environment  ## Environment, install, the platform and its tour; leaves it running and prints one address
	@$(BIN)/aiplatform up
	@$(BIN)/aiplatform tour

down:  ## Stop the platform; data stay
	@$(BIN)/aiplatform down

status:  ## Tell what runs
	@$(BIN)/aiplatform status

logs:  ## Follow the logs
	@$(BIN)/aiplatform logs --follow

test: environment-dev  ## Environment, install, every test tier that runs on any machine; WORKERS=4 for more at a time
	@scripts/test-tools
	@$(BIN)/python -m pytest -m "not slow" -q -n $(WORKERS)

test-slow: environment-dev  ## The tests that take many minutes
	@scripts/test-tools
	@$(BIN)/python -m pytest -m slow -q

test-emitters: environment-dev  ## Six tracing packages in environments of their own against the endpoint; captures anew
	@$(BIN)/python -m pytest -m slow -q tests/emitters
	@$(BIN)/python -m tests.emitters.emitters $${TMPDIR:-/tmp}/aiplatform-emitters
	@$(BIN)/python -m tests.emitters.coverage

check: environment-dev  ## Lint, format, types, import contracts, message catalogue
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/python scripts/messages.py check

format: environment-dev  ## Format and mend what can be mended
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

bench: environment-dev  ## Benchmarks, as ratios against peers in one run
	@for name in imports ingest door footprint; do echo "== $$name"; $(BIN)/python benchmarks/$$name.py || exit 1; done

bench-tracing: environment-dev  ## Tracing against its targets and peers; ARGS=--full takes hours
	@$(BIN)/python benchmarks/tracing.py $(ARGS)

bench-eval: environment-dev  ## Metrics against the libraries that define them; ARGS=--full for the targets' sizes
	@$(BIN)/python benchmarks/evaluation.py $(ARGS)
	@PYTHONPATH=. $(BIN)/python benchmarks/judge_harness.py

docs: environment-dev  ## Build the documentation site into site/
	@$(BIN)/mkdocs build --strict

messages: environment-dev  ## Gather texts for translation and compile the catalogue
	@$(BIN)/python scripts/messages.py update

environment:
	@scripts/environment platform

environment-dev:
	@scripts/environment dev
