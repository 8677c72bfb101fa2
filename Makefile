# `make` alone lists what there is.

PYTHON ?= python3

VENV  := .venv
BIN   := $(VENV)/bin
STAMP := $(VENV)/.installed
DOCS  := $(VENV)/.installed-docs
# Wheels only: no compiler is ever needed.
PIP   := $(BIN)/python -m pip --disable-pip-version-check install --quiet --only-binary=:all:

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test check format docs bench bench-quick qgis clean

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

demo: $(STAMP) ## make the synthetic world, align, orthorectify; see demo/report.html
	$(BIN)/trueground demo demo

# Two processes, one file after another in each: what a file sets up, it sets up once. JOBS=0 is one process.
JOBS ?= 2
test: $(STAMP) ## run all tests and the examples in the docstrings
	$(BIN)/python -m pytest --numprocesses $(JOBS) --dist loadfile

check: $(STAMP) ## lint, formatting, types, import contracts; changes nothing
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy --strict src
	$(BIN)/lint-imports

format: $(STAMP) ## format the code and apply safe lint fixes
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

docs: $(DOCS) ## build the documentation, gallery included; see site/index.html
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

# The peers come in environments of their own (.venv-bench); one that cannot be had is said in the tables.
bench: $(STAMP) ## measure against the peers; see benchmarks/RESULTS.md
	$(BIN)/python benchmarks/peers.py
	$(BIN)/python benchmarks/run.py
	$(BIN)/python benchmarks/profiles.py

bench-quick: $(STAMP) ## the same, reduced, in ten minutes; see build/bench-quick/
	$(BIN)/python benchmarks/peers.py
	$(BIN)/python benchmarks/run.py --quick

qgis: $(BIN)/python ## zip the plugin for QGIS; see build/
	$(BIN)/python qgis/build.py

clean: ## remove what was built and the demo; keeps .venv
	rm -rf demo build dist site .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	find src $(wildcard tests benchmarks examples) \
	    -depth \( -name __pycache__ -o -name '*.egg-info' \) -type d -exec rm -rf {} +

$(BIN)/python:
	@command -v $(PYTHON) >/dev/null || { \
	    echo "$(PYTHON) not found; trueground needs Python 3.11 or newer: make PYTHON=/path/to/python3.11" >&2; \
	    exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	    echo "$(PYTHON) is $$($(PYTHON) --version 2>&1); trueground needs Python 3.11 or newer: make PYTHON=/path/to/python3.11" >&2; \
	    exit 1; }
	$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); exit 1; }

# Installs once, and again only when pyproject.toml has changed. The build backend comes first as a
# wheel, so that building the project itself needs no isolated environment and no further download.
$(STAMP): pyproject.toml | $(BIN)/python
	$(PIP) 'hatchling>=1.26'
	$(PIP) --no-build-isolation --editable '.[dev]'
	@touch $@

# What builds the documentation comes when it is asked for.
$(DOCS): $(STAMP)
	$(PIP) --no-build-isolation --editable '.[docs]'
	@touch $@
