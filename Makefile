# On a fresh machine with make and Python 3.11 to 3.13: `make reproduce` or `make test`, nothing before.
# Another Python than the first one found: make PYTHON=/path/to/python3.12 ...

.DEFAULT_GOAL := help
.PHONY: help reproduce test venv lint lock notebooks contracts assurance snapshots benchmark npm slither clean
PYTHON ?=
BIN := .venv/bin
# Not `npm ci`: it refuses a lock without anvil's builds for all platforms, which not every registry has.
# What the lock names is checked against its hashes, and the lock stays as it is.
NPM_INSTALL := npm install --no-save --ignore-scripts --no-fund --no-audit --loglevel=error

# The same numbers whatever the shell holds, and TensorFlow quiet enough for outputs to be compared.
export PYTHONHASHSEED := 0
export PYTHONUTF8 := 1
export KERAS_BACKEND := tensorflow
export TF_CPP_MIN_LOG_LEVEL := 3
unexport PYTHONPATH PYTHONHOME PYTHONOPTIMIZE PYTHONWARNINGS PYTHONSTARTUP VIRTUAL_ENV CONDA_PREFIX
unexport MPLBACKEND TF_USE_LEGACY_KERAS JUPYTER_PATH JUPYTER_CONFIG_PATH
# Nobody's settings at home are read and nothing is written there.
export JUPYTER_PREFER_ENV_PATH := 1
export JUPYTER_CONFIG_DIR := $(CURDIR)/build/home/jupyter
export JUPYTER_DATA_DIR := $(CURDIR)/build/home/jupyter
export JUPYTER_RUNTIME_DIR := $(CURDIR)/build/home/jupyter/runtime
export IPYTHONDIR := $(CURDIR)/build/home/ipython
export KERAS_HOME := $(CURDIR)/build/home/keras
export MPLCONFIGDIR := $(CURDIR)/build/home/matplotlib

help: ## list these targets
	@sed -n 's/^\([a-z]*\):[^#]*## \(.*\)/  make \1|\2/p' Makefile | awk -F'|' '{ printf "%-18s %s\n", $$1, $$2 }'

reproduce: venv ## run notebooks 01-06, draw figures/, record and verify on a chain, build the paper
	@$(BIN)/python -m synthlib reproduce

test: venv npm slither ## run every test, then the notebooks against their stored outputs
	@$(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile tests
	@if ls notebooks/0*.ipynb >/dev/null 2>&1; then \
	    mkdir -p build && work=$$(mktemp -d "$(CURDIR)/build/nbval.XXXXXX") && trap 'rm -rf "$$work"' EXIT INT TERM && \
	    SYNTHLIB_WORKSPACE="$$work" $(BIN)/python -m pytest --nbval --nbval-current-env -p no:cacheprovider notebooks/0*.ipynb; \
	else echo "no notebooks to test"; fi

venv: ## make .venv from the hashes in requirements.lock, if it is not there already
	@for python in python3 python3.13 python3.12 python3.11; do \
	    if "$$python" -c "" 2>/dev/null; then \
	        exec "$$python" tools/environment.py $(if $(PYTHON),--python "$(PYTHON)"); \
	    fi; \
	done; echo "expected CPython 3.11, 3.12 or 3.13 as python3, found none; install one" >&2; exit 2

lint: venv ## check the form of the Python code
	@$(BIN)/ruff check .

lock: venv ## renew uv.lock and requirements.lock after a change in pyproject.toml
	@$(BIN)/uv lock
	@$(BIN)/uv export --quiet --frozen --format requirements-txt --all-groups --no-emit-project \
	    --no-header --no-annotate --output-file requirements.lock
	@$(MAKE) --no-print-directory venv

notebooks: venv ## copy the outputs of the last `make reproduce` into notebooks/
	@$(BIN)/python -m synthlib.notebooks

contracts: ## install the pinned compiler with npm and compile the contracts again
	@cd contracts && $(NPM_INSTALL) && npm run --silent compile

assurance: venv npm ## fuzz tests, coverage, slither, solhint, storage and gas of the contracts
	@$(BIN)/python tools/assurance.py

snapshots: venv npm ## measure storage and gas of the contracts anew, after a change that is meant
	@$(BIN)/python tools/assurance.py --write-snapshots

benchmark: venv ## our generators beside seven peers on open cohorts (hours; benchmarks/README.md)
	@$(BIN)/python -m benchmarks $(OPTIONS)

# For the tests that need a compiler, forge or a real node; without npm they are skipped, and say so.
npm:
	@if [ ! -f contracts/package-lock.json ]; then :; \
	elif ! command -v npm >/dev/null 2>&1; then \
	    echo "npm not found: tests that compile the contracts or start a node are skipped" >&2; \
	elif cmp -s contracts/package-lock.json contracts/node_modules/.installed.json; then :; \
	elif (cd contracts && $(NPM_INSTALL)) >&2; then \
	    cp contracts/package-lock.json contracts/node_modules/.installed.json; \
	else echo "npm failed (above): tests that compile the contracts or start a node are skipped" >&2; fi

# An environment of its own: slither's web3 is older than ours.
slither: venv npm
	@if ls contracts/node_modules/@foundry-rs/forge-*/bin/forge >/dev/null 2>&1; then \
	    $(BIN)/python tools/slither_check.py || echo "slither's test is skipped (above)" >&2; fi

clean: ## remove build/ and caches (.venv/, bundles/, figures/ and paper/ stay)
	@rm -rf build .pytest_cache .ruff_cache .hypothesis
	@find synthlib tests tools -name __pycache__ -type d -prune -exec rm -rf {} +
