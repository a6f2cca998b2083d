# `make run` runs everything; `make help` lists the rest. Works from anywhere: `make -C <this folder> run`.

.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

PY := .venv/bin/python
# A PostgreSQL and Redis of its own, in a var folder of its own: nothing here touches a running system.
APART := $(PY) -m thunderline.embedded run
CHECKED := manage.py thunderline agents zones memory domains mcp tests

.PHONY: help run dev down venv test lint chaos browser bench format lock clean

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## /  make \1\t/p' Makefile | expand -t 18

run: .venv/run.stamp ## run Thunderline until Ctrl-C
	@$(PY) manage.py up

dev: .venv/dev.stamp ## the same with debug pages, restarting on changes
	@THUNDERLINE_DEBUG=true $(PY) manage.py up --reload

down: .venv/run.stamp ## stop what runs, wherever it was started
	@$(PY) manage.py down

venv: .venv/run.stamp ## only make the Python environment

test: lint ## lint, types, contracts, migrations, tests with coverage
	$(APART) --fast -- sh -c '$(PY) manage.py makemigrations --check --dry-run \
		&& $(PY) -m pytest tests/unit tests/integration -n 2 --cov --cov-branch --cov-report=term:skip-covered'

lint: .venv/dev.stamp ## style, formatting, types and import contracts
	$(PY) -m ruff check $(CHECKED)
	$(PY) -m ruff format --check $(CHECKED)
	find templates -name '*.html' -print0 | xargs -0 -r $(PY) -m djhtml --check
	$(APART) -- $(PY) -m mypy
	.venv/bin/lint-imports

chaos: .venv/dev.stamp ## kill things and count what is lost; CHAOS=short for a short one
	$(APART) -- $(PY) -m pytest tests/chaos

browser: .venv/dev.stamp ## the pages in a real browser
	$(APART) --fast -- $(PY) -m pytest tests/browser

bench: .venv/dev.stamp ## ticks a second on this machine
	$(APART) -- $(PY) manage.py bench ticks --json

format: .venv/dev.stamp ## rewrite the source as `make lint` wants it
	$(PY) -m ruff check --fix $(CHECKED)
	$(PY) -m ruff format $(CHECKED)
	find templates -name '*.html' -print0 | xargs -0 -r $(PY) -m djhtml

# --- The environment -----------------------------------------------------------------------------------------

PIP := $(PY) -m pip --disable-pip-version-check --no-input install --quiet
LOCK := $(PY) -m uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-strip-extras \
	--no-emit-index-url --no-annotate --no-header

.venv/run.stamp: requirements/run.txt pyproject.toml .ci/environment
	@sh .ci/environment .venv
	@echo "Installing what Thunderline needs into .venv (once)."
	@$(PIP) --require-hashes -r requirements/run.txt
	@$(PIP) --no-deps --no-build-isolation --editable .
	@touch $@

.venv/dev.stamp: .venv/run.stamp requirements/dev.txt
	@$(PIP) --require-hashes -r requirements/dev.txt
	@touch $@

lock: .venv/dev.stamp ## pin the newest versions that fit requirements/*.in
	$(PIP) --require-hashes -r requirements/uv.txt
	$(LOCK) --upgrade requirements/run.in -o requirements/run.txt
	$(LOCK) --upgrade requirements/dev.in -o requirements/dev.txt
	echo uv | $(LOCK) --upgrade - -o requirements/uv.txt

clean: ## remove the environment and caches; data in var/ stays
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage* htmlcov
