# make test    every check that a change must pass          make demo   close the loop: a new model, a trained one
# make setup   only the virtual environment in .venv         make clean  remove what the targets wrote
# make benchmark-training   what training finds, and how fast it is
# make checkpoints          whether training gives the models in examples/checkpoints again
#
# Each target does all of its set-up. Needs Python >= 3.11 with venv, and nothing else;
# PYTHON=/path/to/python says which one, VENV=folder where the environment goes.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := test

VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/tpir-installed
PYTHON ?=
JOBS ?= 2

export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: setup test test-long lint types unit demo checkpoints benchmark-training clean

setup: $(STAMP)

# The stamp is written last, so that an installation that broke off is taken up again.
$(STAMP): pyproject.toml constraints.txt
	@python=; for candidate in $(if $(PYTHON),"$(PYTHON)",python3 python3.13 python3.12 python3.11 python); do \
	  if "$$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	    python=$$candidate; break; fi; done; \
	if [ -z "$$python" ]; then \
	  echo "make: tpir needs Python 3.11 or newer, and $(or $(PYTHON),what the PATH has) is not that:" \
	    "install one, or name it with 'make PYTHON=/path/to/python'" >&2; exit 1; fi; \
	if ! "$(BIN)/python" -c 'import sys, pip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	  echo "making a virtual environment in $(VENV) with $$("$$python" --version)"; \
	  "$$python" -m venv --clear "$(VENV)" || { \
	    echo "make: $$python cannot make a virtual environment: install its venv module" \
	      "(Debian and Ubuntu: apt-get install python3-venv)" >&2; exit 1; }; fi; \
	echo "installing tpir and its development tools into $(VENV) (torch is large: this can take minutes)"; \
	"$(BIN)/python" -m pip install --quiet --constraint constraints.txt --editable '.[dev]' || { \
	  echo "make: the installation failed, see above; run make again to take it up" >&2; exit 1; }
	@touch "$@"

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(STAMP)
	$(BIN)/mypy

# One thread for each worker: more only makes the workers fight over the cores.
unit: export OMP_NUM_THREADS := 1
unit: $(STAMP)
	$(BIN)/python -m pytest -n $(JOBS) --dist loadgroup

test: lint types unit

# The same tests on many more random programs and inputs: tests/conftest.py reads TPIR_LONG.
test-long: export TPIR_LONG := 1
test-long: lint types unit

demo: $(STAMP)
	rm -rf demo
	$(BIN)/python -m tpir.cli.main train --preset demo -o demo/model
	$(BIN)/python -m tpir.cli.main roundtrip demo/model -o demo/out
	$(BIN)/python -m tpir.cli.main roundtrip examples/checkpoints/sort_v8_n8 -o demo/sort

# With WRITE=1 those that differ are replaced, and their table is written anew.
checkpoints: export OMP_NUM_THREADS := 1
checkpoints: $(STAMP)
	$(BIN)/python benchmarks/example_checkpoints.py $(if $(WRITE),--write)

# What training finds, task by task, and how long a training step takes: docs/found.md. REFERENCE=PATH
# names a checkout of the public reference code to time beside.
benchmark-training: export OMP_NUM_THREADS := 1
benchmark-training: $(STAMP)
	$(BIN)/python benchmarks/training_tables.py --write docs
	$(BIN)/python benchmarks/training_speed.py $(if $(REFERENCE),--reference "$(REFERENCE)")

clean:
	rm -rf $(VENV) demo build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
