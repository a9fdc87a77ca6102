# make run: the tool with a live cluster behind it.   make test: every test.   The rest is for developers.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PY := .venv/bin/python
LANES := $(PY) deploy/lanes.py
# On real kernels and in a real browser a machine that is busy elsewhere may fail a test of tenths of seconds. It is
# done once more, four of a lane at most, and the failure stays to be read in the report.
AGAIN := --reruns 1 --max-suite-reruns 4 --rerun-show-tracebacks
FIRST := $(shell [ "$$(id -u)" = 0 ] && echo nice -n -10)
SECOND := $(shell [ "$$(id -u)" = 0 ] && echo nice -n -5)
# Compiled once, not by every process that the tests start; what is compiled lies beside the sources.
export PYTHONDONTWRITEBYTECODE :=
# A guest reads compiled tests and cannot write them: what takes a second here takes the VM ten. 5: none of them is for
# this kernel.
COMPILED := .venv/bin/pytest tests/kernel --collect-only --quiet > /dev/null || [ $$? = 5 ]

help:  ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

.venv/.runtime: requirements.lock pyproject.toml
	@deploy/setup venv requirements.lock
	@touch $@

.venv/.dev: requirements-dev.lock requirements.lock pyproject.toml
	@deploy/setup venv requirements-dev.lock
	@touch .venv/.runtime $@

setup: .venv/.runtime  ## make .venv with what the tool needs

run: .venv/.runtime  ## install what is missing and serve the tool with its lab on port 3636 (PIRANHA_PORT)
	@deploy/setup run
	@exec $(PY) deploy/run.py

check: .venv/.dev  ## format, lint, types, layers, migrations, careless code
	@$(LANES) "style types" "careless layers"

style: .venv/.dev
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .

types: .venv/.dev
	.venv/bin/mypy

layers: .venv/.dev
	.venv/bin/lint-imports
	PIRANHA_DATABASE=:memory: $(PY) manage.py makemigrations --check --dry-run

careless: .venv/.dev
	.venv/bin/bandit --quiet --configfile pyproject.toml --recursive lvs piranha_web deploy

unit: .venv/.dev  ## the fast tests
	@$(LANES) unit-domain unit-site

# The tests on real kernels are about tenths of seconds, and those in the browser about seconds: their niceness keeps
# them a processor. Those in User-Mode Linux wait much: they leave the browser's what it needs, those in the VM do not.
test: .venv/.dev  ## every test, on real kernels and in a real browser; installs what it needs (root)
	@deploy/setup test
	@$(LANES) "check unit-domain kernel-vm databases kernel-uml" "unit-site thorough edges browser"

kernel: kernel-uml kernel-vm  ## the tests in booted kernels with IPVS

unit-domain: .venv/.dev
	.venv/bin/pytest tests/unit tests/test_docs.py tests/test_docs_blocks.py tests/test_docs_words.py tests/test_monitoring.py -m "not thorough"

unit-site: .venv/.dev
	.venv/bin/pytest tests/web -m "not thorough"

# The same inputs every time; others with PIRANHA_RANDOM=1, as whoever looks for faults wants them.
thorough: .venv/.dev
	.venv/bin/pytest tests/unit tests/web tests/test_guide.py -m thorough

edges: .venv/.dev
	.venv/bin/pytest tests/router tests/workers $(AGAIN)

kernel-uml: .venv/.dev
	$(COMPILED)
	$(FIRST) deploy/lab/guest uml --timeout 1500 -- .venv/bin/pytest tests/kernel -p no:cacheprovider $(AGAIN)

kernel-vm: .venv/.dev
	$(COMPILED)
	$(FIRST) deploy/lab/guest vm --timeout 1800 -- .venv/bin/pytest tests/kernel -p no:cacheprovider -m nft $(AGAIN)

browser: .venv/.dev
	$(SECOND) .venv/bin/pytest tests/browser $(AGAIN)

# What a database may do in its own way: the rows, the audit log, lists and searches, counting, two who save at once.
databases: .venv/.dev  ## backup, restore, upgrades, and what is about the database against a real PostgreSQL
	$(PY) -m tests.postgresql .venv/bin/pytest -m "not thorough" -k "not (walked or without_end or as_many_queries)" tests/databases tests/unit/store/test_store.py tests/unit/store/test_audit.py \
	  tests/web/test_audit.py tests/web/test_bulk.py tests/web/test_conflicts.py tests/web/test_lists.py tests/web/test_lockout.py tests/web/test_searching.py

postgresql: .venv/.dev  ## all tests of the site against a real PostgreSQL
	$(PY) -m tests.postgresql .venv/bin/pytest -m "not thorough" tests/databases tests/web tests/unit/store

screenshots: .venv/.dev  ## every page in light and dark, wide and narrow, into screenshots/
	PIRANHA_SCREENSHOTS=all .venv/bin/pytest tests/browser/test_accessible.py

bench: .venv/.dev  ## the figures of docs/benchmarks.md
	@deploy/setup test
	deploy/lab/guest uml --timeout 1200 -- $(PY) -m tests.bench
	$(PY) -m tests.bench.checks
	$(PY) -m tests.bench.rules
	$(PY) -m tests.bench.reports
	$(PY) -m tests.bench.pages
	$(PY) -m tests.bench.metrics
	deploy/lab/guest uml --timeout 1800 -- $(PY) -m tests.bench.failover

guide: .venv/.dev  ## the guide, into build/guide; the application shows it under /guide/
	$(PY) -m sphinx --fail-on-warning --keep-going --fresh-env --quiet --builder html docs build/guide --doctree-dir build/guide-doctrees

deb: guide  ## the Debian packages, into build/deb
	@$(PY) -m deploy.deb.build

packages-test: .venv/.dev  ## install, set up, upgrade and purge them on a clean Debian 12 with systemd (root)
	@deploy/setup packages
	.venv/bin/pytest tests/packages

# On a kernel with IPVS; what is installed there at the beginning is installed on this machine's kernel, which is quicker.
packages-pair: .venv/.dev  ## a manager and a pair of routers of them: traffic, upgrade, fail-over, restore, purge (root)
	@deploy/setup packages
	$(PY) -m tests.packages.images
	$(FIRST) deploy/lab/guest uml --memory 5120 --timeout 1800 -- .venv/bin/pytest tests/packages/test_pair.py -rP -p no:cacheprovider

audit: .venv/.dev  ## ask whether anything it is installed with has a known vulnerability (takes the internet)
	@$(PY) deploy/audit.py

format: .venv/.dev  ## write the sources in their one form
	.venv/bin/ruff format . && .venv/bin/ruff check --fix .

lock: .venv/.dev  ## pin the dependencies anew
	for out in "requirements.lock --extra embedded --extra oidc --extra postgresql" "requirements-dev.lock --extra embedded --extra oidc --extra postgresql --extra guide --extra dev -c requirements.lock"; do \
	  .venv/bin/pip-compile -q --generate-hashes --no-emit-index-url --no-emit-trusted-host --no-emit-find-links \
	    --strip-extras --allow-unsafe -o $$out pyproject.toml; done

clean:  ## remove the environment and everything that make run keeps
	rm -rf .venv var build .pytest_cache .mypy_cache .ruff_cache .hypothesis

.PHONY: help setup run check style types layers careless unit unit-domain unit-site thorough test edges kernel kernel-uml kernel-vm browser screenshots bench databases postgresql guide deb packages-test packages-pair audit format lock clean
