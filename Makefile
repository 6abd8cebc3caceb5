# `make` alone prints what there is to do.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

.PHONY: help setup demo test test-slow test-journey test-prometheus3 test-collector test-kubernetes lint bench clean

help: ## Print this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

PACKAGES := slo alerts dashboards collector engine stack

setup: $(INSTALLED) ## Make .venv with the command `slo` and everything for development
	@$(BIN)/python -m compileall -q $(PACKAGES)

$(INSTALLED): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "$(PYTHON) is missing or older than 3.11: name another one with PYTHON=..." >&2; exit 1; }
	@echo "Setting up $(VENV)"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[demo,engine,dev]'
	@touch $@

demo: ## Break a shop on real servers, watch its SLO page and recover (KEEP=1 leaves it running)
	@scripts/install-tools
	@$(MAKE) --no-print-directory setup
	@$(BIN)/slo demo

test: setup ## Run all tests but those with a target of their own; they skip where a program is missing
	$(BIN)/pytest -n 2 -m "not journey and not prometheus3 and not collector and not kubernetes and not slow"

test-slow: setup ## Run the tests that take ten seconds or more each
	$(BIN)/pytest -n 2 -m slow

test-journey: setup ## Run the whole demo as a test
	$(BIN)/pytest -m journey

test-prometheus3: setup ## Build Prometheus 3 with Go, once, and run the tests that need it
	@folder=$$(scripts/build-prometheus3) && PROMETHEUS3=$$folder $(BIN)/pytest -n 2 -m prometheus3

test-collector: setup ## Build an OpenTelemetry Collector with Go, once, and run the tests that need it
	@folder=$$(scripts/build-collector) && COLLECTOR=$$folder $(BIN)/pytest -n 2 -m collector

test-kubernetes: setup ## Build an API server of Kubernetes with Go, once, and apply the stack to it
	@folder=$$(scripts/build-kubernetes) && KUBERNETES=$$folder $(BIN)/pytest -m kubernetes

lint: setup ## Check style, formatting, types and the direction of imports
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: setup ## Measure speed and cost; takes two hours, most of them for rule cost
	@for benchmark in benchmarks/*.py; do \
	  echo "== $$benchmark"; \
	  $(BIN)/python "$$benchmark"; \
	done

clean: ## Remove everything that the other targets make
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis \
	  .import_linter_cache .grimp_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
