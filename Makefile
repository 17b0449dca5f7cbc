# make demo    install everything into .venv and run examples/quickstart.py
# make test    the same set-up, then lint and all tests against the installed wheel
# make bench   measure what is not stored of the present code: all parts, hours, or make bench PART="growth users"
# make guard   say what is slower than in the last commit, or make guard BASE=main
# make docs    build the documentation with its gallery, into docs/_build/html; some minutes
# make site-test  the same, then open every page in a browser
# make release  build the source distribution and the wheel into dist, and check them
# make cluster-test  install Ray, and test on a cluster of processes whose nodes are killed; some minutes
# make lint, make clean

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

# Python 3.11 is the newest that DGL, the optional graph backend, has wheels for.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
# Installed before anything else, so that a CPU build that pip finds locally is not replaced by the CUDA build, which
# takes gigabytes. Elsewhere: make demo TORCH="torch==2.13.0 --index-url <the CPU index named on pytorch.org>"
TORCH ?= torch==2.13.0
# What make guard compares with.
BASE ?= HEAD
# Processes that run the tests.
JOBS ?= 2

VENV := .venv
BIN := $(VENV)/bin
SOURCES := $(shell find skgnnrec -type f -not -name '*.pyc') pyproject.toml README.md LICENSE
# pip says a line for every package, without progress bars; these are the lines worth seeing.
PIP := PIP_DISABLE_PIP_VERSION_CHECK=1 $(BIN)/python -m pip
BRIEFLY := | sed -un 's/^\(Downloading\|Processing\|Installing collected\|Successfully\)/  &/p' | cut -c 1-120

.NOTPARALLEL:
.PHONY: help demo test lint docs site-test cluster-test bench guard release clean

help:
	@sed -n 's/^# make/make/p' Makefile

demo: $(VENV)/package.done $(VENV)/demo.done
	$(BIN)/python examples/quickstart.py

test: $(VENV)/package.done $(VENV)/test.done lint
	@echo "Testing the installed wheel ..."
	SKGNNREC_TEST_WHEEL=1 $(BIN)/pytest -n $(JOBS) -m "not ray" tests
	$(BIN)/pytest --doctest-modules --pyargs skgnnrec

lint: $(VENV)/package.done $(VENV)/test.done
	@echo "Linting ..."
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest -q tests/test_docstrings.py  # numpydoc, on every public name

docs: $(VENV)/package.done $(VENV)/docs.done
	$(BIN)/sphinx-build -q -W --keep-going -b html docs docs/_build/html
	@echo "Open docs/_build/html/index.html"

site-test: docs $(VENV)/site-test.done
	SKGNNREC_SITE=docs/_build/html $(BIN)/pytest --noconftest tests/test_site.py

cluster-test: $(VENV)/package.done $(VENV)/cluster-test.done
	$(BIN)/pytest -m ray tests/distributed

bench: $(VENV)/package.done $(VENV)/demo.done
	$(BIN)/python benchmarks/run.py $(PART)

guard: $(VENV)/package.done $(VENV)/demo.done
	$(BIN)/python benchmarks/guard.py --base $(BASE)

release: $(VENV)/package.done $(VENV)/release.done
	rm -rf dist
	$(BIN)/python -m build --outdir dist
	$(BIN)/twine check --strict dist/*

clean:
	rm -rf $(VENV) dist build docs/_build docs/api docs/gallery docs/pictures quickstart.png
	rm -rf .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache

# Each of these files says that a step of the installation is done; a step is repeated when what it reads changes.

$(VENV)/torch.done:
	@echo "Creating $(VENV) with $(PYTHON) ..."
	@"$(PYTHON)" -c 'import sys; assert sys.version_info >= (3, 11), "Python 3.11 or newer is needed: make PYTHON=..."'
	@"$(PYTHON)" -m venv $(VENV)
	@echo "Installing $(TORCH); a few minutes ..."
	@$(PIP) install $(TORCH) $(BRIEFLY)
	@touch $@

$(VENV)/wheel.done: $(VENV)/torch.done $(SOURCES)
	@echo "Building the wheel ..."
	@rm -rf dist
	@$(PIP) wheel --quiet --no-deps --wheel-dir dist .
	@touch $@

$(VENV)/package.done: $(VENV)/wheel.done
	@$(PIP) install --quiet --force-reinstall --no-deps dist/skgnnrec-*.whl
	@touch $@

# What the package and its extras need changes with pyproject.toml only.
$(VENV)/%.done: pyproject.toml | $(VENV)/package.done
	@echo "Installing what '$*' needs; a few minutes the first time ..."
	@$(PIP) install "$$(echo dist/skgnnrec-*.whl)[$(EXTRAS)]" $(BRIEFLY)
	@touch $@

$(VENV)/demo.done: EXTRAS := demo
$(VENV)/test.done: EXTRAS := test,lint,demo,image,explain,lora,export,serve,privacy
$(VENV)/docs.done: EXTRAS := docs,demo,image,serve
$(VENV)/site-test.done: EXTRAS := site-test
$(VENV)/cluster-test.done: EXTRAS := test,demo,distributed
$(VENV)/release.done: EXTRAS := release
