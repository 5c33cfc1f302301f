PYTHON ?= python3
BIN := .venv/bin
SOURCES := flows tasks tests examples bench
TESTS := $(BIN)/pytest --numprocesses auto --dist loadfile

.DEFAULT_GOAL := help
.PHONY: help setup run results bench test check format clean

help:  ## Show what can be made
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-8s %s\n", $$1, $$2}'

setup: .venv/installed  ## Set up the virtual environment in .venv

.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.11")'
	@echo "setting up .venv: downloads of some gigabytes, then about three minutes"
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $@

run: setup  ## Run the main job: every data set of params.yaml, raw data to registered model
	$(BIN)/transfer run

results: setup  ## Measure what docs/results.md tells, in hours; can be stopped and goes on
	$(BIN)/transfer results

bench: setup  ## Measure us beside others for docs/performance.md, in hours; can be stopped and goes on
	$(BIN)/python -m bench

test: setup  ## Unit and integration tests, and one small end-to-end run per modality
	$(TESTS)
	$(TESTS) -m integration

check: setup  ## Format, lint, types and unit tests: what the git hook runs
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/mypy
	$(TESTS)

format: setup  ## Format the code and mend what the linter can
	$(BIN)/ruff format $(SOURCES)
	$(BIN)/ruff check --fix $(SOURCES)

clean:  ## Remove the environment and caches, but no data and no model
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache *.egg-info
