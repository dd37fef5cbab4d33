# What a newcomer needs: `make run` shows the system at work, `make test` proves it.
# Works on a fresh clone with Python 3.11 or newer and a package index; everything lands in .venv.

PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed
DOCTESTED := models alerts streams config
# Workers of the full test run; each needs about 500 MB.
# One more than the cores of CI: integration tests wait for servers most of their time.
JOBS ?= 3

.DEFAULT_GOAL := help
.PHONY: help setup run test check lint doctest bench cluster cluster-down clean

help:
	@echo "make run     the whole service with a simulated city, console on http://127.0.0.1:8642/"
	@echo "make test    everything the CI checks"
	@echo "make check   the same kind of checks in under a minute, for every save"
	@echo "make cluster a real Kafka and Redis here, without Docker (WITH=prometheus: one more);"
	@echo "             make cluster-down stops what it started, and nothing else"
	@echo "make killtest  kill -9 of everything over 1,000,000 events (make killtest-short: two minutes)"
	@echo "make bench   the measurements of bench/README.md"
	@echo "make setup   only install into .venv; make clean   remove .venv and caches"

setup: $(STAMP)

# The stamp holds the pyproject.toml it was made for: installed once, and again when that changes.
$(STAMP): pyproject.toml
	@if cmp -s pyproject.toml $@; then touch $@; else \
	  $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	    || { echo "xinfeng needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) --version 2>&1 | head -n 1). Name another: make PYTHON=python3.12"; exit 1; }; \
	  test -x $(BIN)/python || $(PYTHON) -m venv .venv \
	    || { echo "$(PYTHON) cannot make a virtual environment: install its venv package (Debian: apt-get install python3-venv)"; exit 1; }; \
	  echo "installing into .venv: a minute or two, once"; \
	  $(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]' && cp pyproject.toml $@; \
	fi

run: setup
	$(BIN)/xinfeng run --demo

lint: setup
	$(BIN)/ruff check .
	$(BIN)/mypy

doctest: setup
	$(BIN)/python -m pytest -q --doctest-modules $(DOCTESTED)

test: lint doctest
	$(BIN)/python -m pytest -n $(JOBS) --dist worksteal

check: lint doctest
	XINFENG_SEEDS=50 $(BIN)/python -m pytest -n $(JOBS) -m 'not slow and not integration' tests/unit $(wildcard tests/contracts/*.py) \
	  tests/simulation/test_faults.py::test_seeds tests/test_architecture.py tests/test_docs.py

cluster: setup
	@$(BIN)/python -m servers up $(addprefix --with ,$(WITH))

cluster-down: setup
	@$(BIN)/python -m servers down

bench: setup
	$(BIN)/python -m bench.step --subjects 5000 --repeats 3
	$(BIN)/python -m bench.load process --subjects 90000
	$(BIN)/python -m bench.load memory --subjects 1000000 --each 3
	$(BIN)/python -m bench.load memory --subjects 10000 --each 3
	$(BIN)/python -m bench.load memory --subjects 100000 --each 10
	$(BIN)/python -m bench.city --subjects 30000
	$(BIN)/python -m bench.iot

killtest: setup
	$(BIN)/python -m bench.killtest

killtest-short: setup
	$(BIN)/python -m bench.killtest --short

clean:
	rm -rf .venv build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
