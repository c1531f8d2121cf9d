# Each target is idempotent and says what it does. PYTHON and VENV can be set on the command line.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
JS := widgets/cutaway_widgets/js
export OMP_NUM_THREADS ?= 2

.PHONY: help run lab test lint types js unit bench env env-dev clean

help:            ## this list
	@grep -hE '^[a-z-]+: .*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*##/\t/' | expand -t 12

run: env         ## serve the dashboard with Voilà on 127.0.0.1
	@$(BIN)/cutaway serve

lab: env         ## open the same page in JupyterLab
	@$(BIN)/cutaway lab

test: env-dev lint types js unit  ## everything that must be green: lint, types, JS, unit, browser, notebooks

env:
	@$(PYTHON) scripts/environment.py all $(VENV)

env-dev:
	@$(PYTHON) scripts/environment.py dev $(VENV)

lint: env-dev    ## ruff: rules and format
	$(BIN)/ruff check . && $(BIN)/ruff format --check .

types: env-dev   ## mypy --strict
	$(BIN)/mypy

js: env-dev      ## build the page's code from its sources, type-check and test it
	@$(BIN)/python scripts/js.py $(JS)

unit: env-dev    ## pytest: unit, browser and notebook tests
	@$(BIN)/python scripts/browser.py
	$(BIN)/pytest

bench: env-dev   ## measure speed and memory, write the tables under bench/
	$(BIN)/python bench/run.py

clean:           ## delete what the other targets made
	rm -rf $(VENV) dist $(JS)/node_modules tests/artifacts .mypy_cache .ruff_cache .pytest_cache
