# Everything a developer types. Nothing has to be installed before but Python 3.11+, git, and Go or
# livekit-server; `make test` also wants Node.js (npm) and Chromium, and says so.
SHELL := /bin/bash
.DEFAULT_GOAL := help
# Set in some containers; without its compiled files Python needs seconds more for every start.
unexport PYTHONDONTWRITEBYTECODE

# The newest Python that is here; name another one with `make PYTHON=/path/to/python ...`.
PYTHON ?= $(or $(shell for p in python3.13 python3.12 python3.11 python3; do \
  $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && command -v $$p && break; \
  done),python3)
RUN := .venv/bin/python
CODE := agent billing control_plane local shared tests

.PHONY: help call up down test check fmt lock chaos bench load clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-7s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.venv/.ready: requirements.lock
	@command -v $(PYTHON) >/dev/null || { echo 'Python 3.11 or newer is needed: install it, or name it with make PYTHON=/path/to/python.' >&2; exit 1; }
	@$(PYTHON) -m local.bootstrap

call: .venv/.ready ## start everything, place a real call, check its bill, stop everything
	@$(RUN) -m local demo

up: .venv/.ready ## run the stack until Ctrl-C and print the address of the call page
	@$(RUN) -m local up

down: .venv/.ready ## stop a stack that was left running
	@$(RUN) -m local down

test: .venv/.ready ## run the whole test suite on real parts
	@$(RUN) -m local setup --tests
	@$(RUN) -m pytest -n 2 --dist loadfile tests/unit tests/properties tests/integration; small=$$?; \
	  $(RUN) -m pytest tests/e2e && exit $$small

check: .venv/.ready ## format, lint, import contracts, types
	@.venv/bin/ruff format --check $(CODE)
	@.venv/bin/ruff check $(CODE)
	@.venv/bin/lint-imports
	@.venv/bin/mypy

fmt: .venv/.ready ## format, and repair what lint can repair
	@.venv/bin/ruff format $(CODE)
	@.venv/bin/ruff check --fix $(CODE)

lock: .venv/.ready ## write requirements.lock anew from pyproject.toml
	@.venv/bin/uv pip compile pyproject.toml --quiet --group local --group dev --universal \
	  --python-version 3.11 --no-emit-index-url --generate-hashes --no-header -o requirements.lock

chaos: .venv/.ready ## crash what can crash, at random, for long (ARGS="--seconds 120")
	@$(RUN) -m local chaos $(ARGS)

bench: .venv/.ready ## benchmarks, with what they are compared to, in one run
	@$(RUN) -m local bench $(ARGS)

load: .venv/.ready ## many simulated callers, with a report of times and money
	@$(RUN) -m local load $(ARGS)

clean: ## remove .venv and the data of the local stack (not the built livekit-server)
	@find .local -mindepth 1 -maxdepth 1 ! -name bin -exec rm -rf {} + 2>/dev/null || true
	@rm -rf .venv
