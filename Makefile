# `make demo` and `make test` are all that a newcomer needs.  Each makes .venv first when it is
# missing or stale; that step alone uses the network.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

# What the environment was made from, and where: a change of either makes it stale.
STAMP := $(VENV)/.ready-$(shell (pwd; cat pyproject.toml constraints.txt) | cksum | cut -d ' ' -f 1)

OUT ?= gallery
SMOKE ?=
ARGS ?=
NAME ?=
QUICK ?=
QUIET := $(if $(CI),-qq) # pip shows its downloads to a person, not to a log

.PHONY: demo dist test test-browser test-portable soak lint types format bench docs setup

demo: $(STAMP)  ## a tour of all families, on one page; SMOKE=1 is quick
	$(BIN)/smalti demo --out $(OUT) $(if $(SMOKE),--quick)

dist: $(STAMP)  ## dist/ with sdist and wheel, tried in a new read-only environment; QUICK=1 only builds
	$(BIN)/python scripts/try_dist.py $(if $(QUICK),--build)

# Bytecode is written even where the environment forbids it: otherwise every worker, and every process
# that a test starts, compiles all sources and tests.
test: $(STAMP)  ## the whole suite; ARGS="-k name" narrows it
	PYTHONDONTWRITEBYTECODE= OMP_NUM_THREADS=1 $(BIN)/pytest -n 2 --dist worksteal $(ARGS)

test-browser: $(STAMP)  ## the studio's pages in headless Chromium, where there is one
	SMALTI_BROWSER=1 OMP_NUM_THREADS=1 $(BIN)/pytest -rs tests/browser $(ARGS)

test-portable: $(STAMP)  ## the numeric tests as other processors round; QUICK=1 is what CI runs
	$(BIN)/python scripts/test_portable.py $(if $(QUICK),--quick) $(ARGS)

soak: $(STAMP)  ## all malformed inputs, of which `make test` takes 200; ARGS="-k pictures" some
	SMALTI_SOAK=1 OMP_NUM_THREADS=1 $(BIN)/pytest -n 2 --dist worksteal tests/fuzz $(ARGS)

lint: $(STAMP)  ## style, formatting, names and the import contract
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/python scripts/check_names.py
	$(BIN)/lint-imports --no-cache

types: $(STAMP)
	$(BIN)/basedpyright

format: $(STAMP)
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

bench: $(STAMP)  ## NAME=one of those listed without it
ifdef NAME
	$(BIN)/python -m benchmarks.$(NAME) $(ARGS)
else
	@echo "make bench NAME=... where NAME is one of:"
	@cd benchmarks && ls [a-z]*.py | sed 's/\.py$$//; s/^/  /'
endif

# A warning is an error: a broken link, a page outside the navigation, a docstring that cannot be read.
docs: $(STAMP)  ## the docs as a site with search, in build/docs
	OMP_NUM_THREADS=1 $(BIN)/sphinx-build --quiet --fail-on-warning --conf-dir docs --doctree-dir build/doctrees . build/docs
	@echo "The docs are in build/docs; open build/docs/index.html"

setup: $(STAMP)

$(STAMP):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "smalti needs Python 3.11 or newer, and \`$(PYTHON)\` is not: try \`make PYTHON=python3.12\`" >&2; exit 2; }
	@echo "Setting up $(VENV), once; this downloads PyTorch and takes a few minutes ..."
	@# An environment that was made elsewhere, or whose Python has gone, is made anew.
	@grep -qs "$(CURDIR)/$(BIN)/" $(BIN)/pip && $(BIN)/python -c '' || $(PYTHON) -m venv --clear $(VENV)
	@rm -f $(VENV)/.ready-*
	$(BIN)/python -m pip install $(QUIET) --constraint constraints.txt --upgrade pip setuptools
	$(BIN)/python -m pip install $(QUIET) --constraint constraints.txt --build-constraint constraints.txt --editable . --group dev --group docs
	@touch $@
