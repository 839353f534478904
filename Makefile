# `make demo` and `make test` work in a fresh clone: each makes `.venv` when there is none, installs
# what it needs at the versions of constraints.txt, and does its job. A stamp per set of
# requirements makes the second call quick; editing pyproject.toml or constraints.txt reinstalls.

PYTHON ?= python3
VENV ?= .venv
WORKERS ?= 2

BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip
INSTALL := $(PIP) install --quiet --disable-pip-version-check -c constraints.txt
REQUIREMENTS := pyproject.toml constraints.txt

.DEFAULT_GOAL := help
.PHONY: help demo test lint types docs linkcheck coverage clean

help:
	@echo "make demo      compare PCA and the autoencoders on the shipped digits, save a picture"
	@echo "make test      run the fast tests (TESTS='-k VAE' runs some of them)"
	@echo "make lint      ruff: rules and format"
	@echo "make types     mypy"
	@echo "make docs      run the gallery, build the documentation into docs/_build/html, check its links"
	@echo "make linkcheck  follow the links of the documentation to other sites"
	@echo "make coverage  the fast tests with their coverage floors"
	@echo "make clean     remove the environment, the caches and what was built"

# The environment with pip alone. Where Python comes without ensurepip, the pip beside it fills in.
# The new pip is needed for dependency groups.
$(BIN)/.stamp-venv:
	@$(PYTHON) -c 'import sys; sys.exit("skrep needs Python 3.10 or newer; name one: make PYTHON=python3.12 ..." if sys.version_info < (3, 10) else 0)'
	$(PYTHON) -m venv $(VENV) || { $(PYTHON) -m venv --clear --without-pip $(VENV) \
		&& $(PYTHON) -m pip --python $(BIN)/python install --quiet pip; }
	$(INSTALL) --upgrade pip
	@touch $@

# torch comes first and alone: it is the one large download, and what follows then finds it there.
$(BIN)/.stamp-demo: $(BIN)/.stamp-venv $(REQUIREMENTS)
	@echo "Installing into $(VENV); the first time takes a few minutes (torch is large)."
	$(INSTALL) torch
	$(INSTALL) -e '.[plot]'
	@touch $@

$(BIN)/.stamp-test: $(BIN)/.stamp-demo $(REQUIREMENTS)
	$(INSTALL) --group dev
	@touch $@

$(BIN)/.stamp-docs: $(BIN)/.stamp-test $(REQUIREMENTS)
	$(INSTALL) -e '.[docs]'
	@touch $@

demo: $(BIN)/.stamp-demo
	$(BIN)/python -m skrep

# One thread per worker: two workers of several threads each would fight for the same cores.
test: $(BIN)/.stamp-test
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(WORKERS) $(TESTS)

lint: $(BIN)/.stamp-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(BIN)/.stamp-test
	$(BIN)/python -m mypy

docs: $(BIN)/.stamp-docs
	OMP_NUM_THREADS=1 $(BIN)/python -m sphinx -W -n --keep-going -q -b html docs docs/_build/html
	$(BIN)/python docs/check_links.py docs/_build/html
	@echo "Open docs/_build/html/index.html"

# Needs a network; not part of .ci/run.
linkcheck: $(BIN)/.stamp-docs
	$(BIN)/python -m sphinx -D plot_gallery=0 -q -b linkcheck docs docs/_build/linkcheck

coverage: $(BIN)/.stamp-test
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(WORKERS) --cov=skrep --cov-report= $(TESTS)
	$(BIN)/python -m coverage report
	$(BIN)/python -m coverage report --include='skrep/functional/*,skrep/nn/*' --fail-under=95

clean:
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .coverage htmlcov skrep-report docs/_build docs/api docs/api.md docs/gallery
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
