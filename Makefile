# Polycast. `make help` lists the verbs; a bare machine needs python3 >= 3.11 with venv, make and git.

PYTHON ?= python3
BIN := .venv/bin

.DEFAULT_GOAL := help
.PHONY: help demo demo-live test test-fast test-crash lint web bench environment environment-demo

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: environment-demo ## start everything in ./.polycast and publish a clip, or VIDEO=my.mp4; serves until Ctrl-C
	@$(BIN)/python scripts/build_web.py --quiet
	@exec $(BIN)/python -m polycast.cli.demo $(if $(VIDEO),"$$VIDEO")

demo-live: ## live streaming (not in this version; says so)
	@echo "Live streaming is not in this version of Polycast. 'make demo' shows video on demand."

test: environment ## run the whole test suite, or what ARGS names: make test ARGS="tests/unit -x"
	@exec $(BIN)/python scripts/run_tests.py $(ARGS)

test-fast: environment ## run the tests without browsers and without the slow ones (< 2 min)
	@exec $(BIN)/python scripts/run_tests.py --fast $(ARGS)

test-crash: environment ## the part of `make test` that kills processes; POLYCAST_TEST_SEED picks the moments
	@exec $(BIN)/python -m pytest -n 0 -m crash

lint: environment ## formatting, lint, types and import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

web: environment-demo ## build the player pages
	@$(BIN)/python scripts/build_web.py

bench: environment ## measure against the rivals; results in bench/results
	@exec $(BIN)/python -m bench

# the environment from uv.lock in .venv; nothing is done when it is current
environment:
	@$(PYTHON) scripts/environment.py

environment-demo:
	@$(PYTHON) scripts/environment.py --demo
