# Everything a developer runs, and what CI runs. Needs Python 3.11 or newer; the JupyterLab panel
# needs Node 20 too, and is left out without it. `make help` lists the targets.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory --no-builtin-rules

# The first interpreter that is new enough; `make PYTHON=/usr/bin/python3.13 lab` overrides.
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
  $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
VENV := .venv
BIN := $(VENV)/bin
NODE := $(shell command -v node)
CONSTRAINTS := constraints/dev.txt
PANEL_SOURCES := $(wildcard labextension/src/* labextension/style/* labextension/*.json) \
  labextension/yarn.lock
PACKAGING := pyproject.toml hatch_build.py $(CONSTRAINTS) labextension/jupyter-config/farcell_lab.json
TRANSPORT := runtime/farcell_runtime/transport
GENERATED := farcell_pb2.py farcell_pb2.pyi farcell_pb2_grpc.py
PROTOC_VERSION := 1.71.2
CHROMIUM := $(firstword $(wildcard /usr/bin/chromium /usr/bin/chromium-browser /usr/bin/google-chrome))
ROOT := $(filter 0,$(shell id -u))
PYTEST := $(BIN)/python -m pytest

# pip reads it, and so does what pip builds.
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PATH := $(CURDIR)/$(BIN):$(PATH)

##@ Use it

.PHONY: lab
lab: $(VENV)/.lab  ## open JupyterLab on the quickstart notebook
	$(BIN)/jupyter lab $(if $(ROOT),--allow-root) notebooks/quickstart.ipynb

##@ Change it

.PHONY: setup
setup: $(VENV)/.dev  ## everything for development, into .venv

.PHONY: test
test: $(VENV)/.dev chromium  ## all tests, the notebooks and the browser's too
	$(PYTEST) --nbval-lax --nbval-current-env --ignore tests/browser tests notebooks $(ARGS)
	$(PYTEST) tests/browser $(ARGS)  # by themselves: Playwright keeps an event loop running

.PHONY: quick
quick: $(VENV)/.dev  ## the tests that take seconds
	$(PYTEST) -m "not slow and not browser and not ray and not corpus" tests $(ARGS)

.PHONY: browser
browser: $(VENV)/.dev chromium  ## the tests in JupyterLab, in Chromium
	$(PYTEST) tests/browser $(ARGS)

.PHONY: notebooks
notebooks: $(VENV)/.dev  ## run the notebooks, with nbval and with nbclient
	$(PYTEST) --nbval-lax --nbval-current-env notebooks tests/notebooks $(ARGS)

.PHONY: chaos
chaos: $(VENV)/.dev  ## five thousand rounds of cells, kills, stops and restarts; FARCELL_SEED=N again
	FARCELL_ROUNDS=5000 $(PYTEST) -s -o faulthandler_timeout=0 tests/conformance/test_chaos.py $(ARGS)

.PHONY: lowest
lowest: $(VENV)-lowest/.made  ## the smoke tests on the lowest versions pyproject allows
	$(VENV)-lowest/bin/python -m pytest -m smoke tests/smoke $(ARGS)

.PHONY: bench
bench: $(VENV)/.dev  ## measure against Ray, ipyparallel, Dask, Monarch
	$(BIN)/python -m tests.bench $(ARGS)

.PHONY: images
images: $(VENV)/.dev chromium  ## take the README's screenshots again, into docs/images
	$(BIN)/python -m tests.browser.images

##@ Check it

.PHONY: check
check: lint types layers proto-check panel-check  ## style, types, layers, generated code, panel

.PHONY: lint
lint: $(VENV)/.dev  ## ruff's lint and format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

.PHONY: types
types: $(VENV)/.dev  ## mypy --strict and pyright
	$(BIN)/mypy
	$(BIN)/pyright --pythonpath $(BIN)/python

.PHONY: layers
layers: $(VENV)/.dev  ## who may import whom
	$(BIN)/lint-imports

.PHONY: proto-check
proto-check: $(VENV)-proto/.made  ## the checked-in gRPC code is what the .proto gives
	@fresh=$$(mktemp -d) && trap 'rm -rf "$$fresh"' EXIT && $(call protoc,$$fresh) && \
	for file in $(GENERATED); do \
	  diff -u $(TRANSPORT)/$$file $$fresh/farcell_runtime/transport/$$file \
	    || { echo "$$file differs from farcell.proto: run 'make proto'"; exit 1; }; done

.PHONY: proto
proto: $(VENV)-proto/.made  ## make the gRPC code from the .proto again
	$(call protoc,.)

# $(1): where to write, relative to runtime/
protoc = (cd runtime && ../$(VENV)-proto/bin/python -m grpc_tools.protoc -I. --python_out=$(1) \
  --pyi_out=$(1) --grpc_python_out=$(1) farcell_runtime/transport/farcell.proto)

.PHONY: panel-check
ifdef NODE
panel-check: labextension/node_modules/.made  ## the panel's types, lint and format
	cd labextension && jlpm check
else
panel-check:
	@$(if $(CI),echo "panel: node is missing" && exit 1,echo "panel: not checked: node is missing")
endif

.PHONY: dist
dist: $(VENV)/.dev  ## sdist and wheel, the panel inside, into dist/
	rm -rf dist && $(BIN)/pip install -q -c $(CONSTRAINTS) build
	FARCELL_PANEL=require $(BIN)/python -m build

.PHONY: clean
clean:  ## remove all that the targets above made
	rm -rf $(VENV) $(VENV)-* dist build .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis \
	  .import_linter_cache labextension/{node_modules,lib,.yarn} \
	  labextension/farcell_lab/labextension
	find . -name __pycache__ -prune -exec rm -rf {} +

##@ Steps that the targets above take by themselves

# A virtual environment whose pip knows dependency groups. $(1): its folder.
define venv
	$(if $(PYTHON),,$(error farcell needs Python 3.11 or newer on the PATH, or `make PYTHON=... `))
	@test -x $(1)/bin/python || $(PYTHON) -m venv $(1) || { rm -rf $(1); \
	  echo "python's venv module is incomplete: on Debian, apt-get install python3-venv"; exit 1; }
	@$(1)/bin/python -m pip install --quiet --upgrade 'pip>=25.1'
endef

# The panel is built on the way where Node is found (hatch_build.py).
$(VENV)/.lab: $(PACKAGING) $(PANEL_SOURCES)
	$(call venv,$(VENV))
	$(BIN)/pip install --quiet -c $(CONSTRAINTS) -e '.[lab]' --group notebooks
	@touch $@

$(VENV)/.dev: $(VENV)/.lab
	$(BIN)/pip install --quiet -c $(CONSTRAINTS) -e '.[all]' --group test --group check
	@touch $@

$(VENV)-lowest/.made: $(PACKAGING) constraints/lowest.txt
	$(call venv,$(VENV)-lowest)
	FARCELL_PANEL=skip $(VENV)-lowest/bin/pip install --quiet -c constraints/lowest.txt \
	  -e . --group smoke
	@touch $@

$(VENV)-proto/.made: Makefile
	$(call venv,$(VENV)-proto)
	$(VENV)-proto/bin/pip install --quiet grpcio-tools==$(PROTOC_VERSION)
	@touch $@

labextension/node_modules/.made: labextension/package.json labextension/yarn.lock $(VENV)/.dev
	cd labextension && jlpm install --immutable
	@touch $@

.PHONY: chromium
chromium:
ifeq ($(CHROMIUM),)
ifneq ($(and $(ROOT),$(shell command -v apt-get)),)
	apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium
else
	@echo "chromium is missing: the tests in a browser will be skipped"
endif
endif

.PHONY: help
help:  ## this list
	@awk 'BEGIN {FS = ":.*##"} /^##@/ {printf "\n%s\n", substr($$0, 5)} \
	  /^[a-z-]+:.*##/ {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo
