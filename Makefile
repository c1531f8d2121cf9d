# Each target is idempotent and says what it does. PYTHON and VENV can be set on the command line.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
JS := widgets/cutaway_widgets/js
export OMP_NUM_THREADS ?= 2

# Test workers, one thread each; a file stays with one worker, as its tests share servers.
WORKERS ?= 2
PARALLEL := -n $(WORKERS) --dist loadfile
# Older makes cannot keep the output of jobs apart.
SYNC := $(if $(filter output-sync,$(.FEATURES)),--output-sync)

.PHONY: help run lab test test-all lint types js unit unit-all bench bench-ui faults env env-dev clean

help:            ## this list
	@grep -hE '^[a-z-]+: .*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*##/\t/' | expand -t 12

run: env         ## serve the dashboard with Voilà on 127.0.0.1
	@$(BIN)/cutaway serve

lab: env         ## open the same page in JupyterLab
	@$(BIN)/cutaway lab

test: env-dev    ## what must be green before a commit, in ten minutes: checks and quick tests
	@$(MAKE) --no-print-directory $(SYNC) -j3 lint types js
	@$(MAKE) --no-print-directory unit

test-all: env-dev  ## all there is: every host, packaging, pretrained models, slow training
	@$(MAKE) --no-print-directory $(SYNC) -j3 lint types js
	@$(MAKE) --no-print-directory unit-all

env:
	@$(PYTHON) .ci/environment.py all $(VENV)

env-dev:
	@$(PYTHON) .ci/environment.py dev $(VENV)

lint: env-dev    ## ruff: rules and format
	$(BIN)/ruff check . && $(BIN)/ruff format --check .

types: env-dev   ## mypy --strict
	$(BIN)/mypy

js: env-dev      ## build the page's code from its sources, type-check and test it
	@$(BIN)/python .ci/js.py $(JS)

unit: env-dev    ## pytest: the quick unit, browser and notebook tests
	@$(BIN)/python .ci/browser.py
	@$(BIN)/python .ci/compile.py dev
	OMP_NUM_THREADS=1 $(BIN)/pytest $(PARALLEL)

unit-all: env-dev  ## pytest: quick and slow tests
	@$(BIN)/python .ci/browser.py
	@for name in smollm2-135m minilm-l6; do \
	  PIP_QUIET=1 $(BIN)/python -m cutaway_samples.pretrained install $$name 2>/dev/null \
	  || echo "make: $$name could not be installed, its tests will be skipped"; done
	@$(BIN)/python .ci/compile.py dev
	OMP_NUM_THREADS=1 $(BIN)/pytest $(PARALLEL) -m "slow or not slow"

bench: env-dev   ## measure speed and memory, write the tables under bench/
	$(BIN)/python bench/run.py

bench-ui: env-dev  ## linked views against jupyter-scatter and plotly, in a real browser
	$(BIN)/python bench/ui.py

faults: env-dev  ## damaged files, kills, full disks, cancels, two writers: about 15 minutes
	PYTHONPATH=bench $(BIN)/python -m faults.run

clean:           ## delete what the other targets made
	rm -rf $(VENV) dist $(JS)/node_modules tests/artifacts .mypy_cache .ruff_cache .pytest_cache
