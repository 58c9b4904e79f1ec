# What a change is tried with. `.ci/run` calls the same on a machine that has nothing.
# Everything runs in .venv; `make setup` makes it.

BIN := .venv/bin
#: How many processes share the tests.
JOBS ?= 2
SPLIT := -n $(JOBS) --dist worksteal

.DEFAULT_GOAL := help
.PHONY: help
help: ## this list
	@sed -nE 's/^([a-z-]+):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 12

.PHONY: setup
setup: ## a virtual environment with everything that the tests need
	python3 -m venv .venv
	$(BIN)/pip install -e '.[test]'

# --- every change -----------------------------------------------------------------------------------

.PHONY: check
check: ## how it is written: ruff, mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

.PHONY: test
test: ## all tests (arguments: make test ARGS="tests/smpp -k window")
	$(BIN)/pytest $(SPLIT) $(ARGS)

.PHONY: docs
docs: ## pages on configuration and commands made anew, all documents compared with the program
	$(BIN)/python docs/configuration.py
	$(BIN)/python docs/commands.py
	$(BIN)/pytest -q $(SPLIT) tests/documents tests/test_documents.py tests/language

# --- coverage ---------------------------------------------------------------------------------------
# The daemons and commands that tests start are measured too: coverage starts itself in every Python
# process that finds these variables.

export COVERAGE_FILE := $(CURDIR)/.coverage
MEASURED := COVERAGE_PROCESS_START=$(CURDIR)/pyproject.toml

.PHONY: coverage
coverage: ## all tests with their coverage of branches, which has a floor
	rm -f .coverage .coverage.*
	$(MEASURED) $(BIN)/pytest $(SPLIT) $(ARGS)
	$(MAKE) coverage-report

.PHONY: coverage-report
coverage-report: ## the report and the floor, from measurements that are there
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

# --- other Pythons ----------------------------------------------------------------------------------

#: What depends on the language: everything that starts no daemon and no database.
QUICK := tests/accounts tests/admin tests/cascade tests/config tests/feedback tests/model tests/net \
	tests/notices tests/relay tests/sandbox tests/sending tests/smpp/inbound tests/smpp/outbound \
	tests/smpp/protocol tests/smtp/inbound tests/smtp/reading tests/store/sqlite tests/trace \
	--ignore=tests/admin/console

.PHONY: quick
quick: ## the tests that need no other program
	$(BIN)/pytest -q $(SPLIT) $(QUICK) $(ARGS)

.PHONY: pythons
pythons: ## `quick` on each other Python that the package supports and the machine has
	.ci/pythons $(QUICK)

# --- the package ------------------------------------------------------------------------------------

.PHONY: deb
deb: ## the Debian package, into dist/ (root is not needed)
	debian/build

.PHONY: man
man: ## the man pages, into build/man (man -l build/man/cascade-bridge.1)
	$(BIN)/python debian/man_pages.py build/man

# --- longer ones ------------------------------------------------------------------------------------

.PHONY: bench
bench: ## the benchmarks (make bench ARGS="--runs 1 smpp")
	$(BIN)/python -m tests.benchmarks $(ARGS)

.PHONY: instructions
instructions: ## instructions of a message, compared with the record (ARGS=--record for a new one)
	$(BIN)/python -m tests.benchmarks.instructions $(ARGS)

.PHONY: fuzz
fuzz: ## one fuzzer (make fuzz TARGET=smpp|mail|hooks|smsc ARGS=-max_total_time=600)
	$(BIN)/pip install -q -e '.[test,fuzz]'
	$(BIN)/python -m tests.fuzz $(TARGET) $(ARGS)

.PHONY: chaos
chaos: ## load while everything around the bridge breaks (make chaos ARGS="--engine postgres")
	$(BIN)/python -m tests.chaos $(ARGS)

.PHONY: kill
kill: ## kill -9 of the bridge, of nodes, of the database, so many times (ROUNDS=50)
	CASCADE_BRIDGE_KILL_ROUNDS=$(or $(ROUNDS),50) $(BIN)/pytest -s -k "kill or random" \
		tests/serving $(ARGS)
