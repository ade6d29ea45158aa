# `make demo` and `make test` install what they need into .venv; PYTHON=python3.12 chooses another interpreter.
PYTHON ?= python3
BIN := .venv/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: demo status test check install lock vulnerabilities schema reference

demo: install
	@start=$$(date +%s); snakemake --configfile config/demo.yaml \
	&& echo "The report, made in $$(($$(date +%s) - start)) s: results/report.md"

# What each run does now; `python workflow/scripts/status.py --watch` goes on showing it.
status: install
	@python workflow/scripts/status.py

test: install
	pytest --numprocesses=auto --dist=loadfile --no-loadscope-reorder

# Style and types alone, in seconds; `make test` checks them too.
check: install
	ruff check . && ruff format --check . && mypy

install: .venv/installed

# uv installs the lock, several times faster than pip; pip installs uv, from the same lock.
.venv/installed: requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	|| { echo "error: $(PYTHON) is $$($(PYTHON) --version); 3.11 or newer is needed: make PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv --clear .venv
	awk '/^[a-z]/ {keep = /^uv==/} keep' requirements.lock > .venv/uv.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement .venv/uv.lock
	VIRTUAL_ENV=$(CURDIR)/.venv $(BIN)/uv pip install --quiet --compile-bytecode --require-hashes --requirement requirements.lock
	touch $@

# `make lock` takes the newest versions on the registry, for Python 3.11 and later, pinned with hashes.
lock: install
	uv pip compile requirements.in --upgrade --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	--no-annotate --no-header --quiet --output-file requirements.lock

# Asks the registry for known vulnerabilities of the locked versions; a package it could not ask for is a failure too.
vulnerabilities: install
	uv tool run --from pip-audit==2.10.1 pip-audit --strict --requirement requirements.lock --require-hashes --disable-pip

# Tables, figures and report of docs/reference from its records, in a folder that git ignores.
reference: again := results-reference
reference: install
	rm -rf $(again) && mkdir -p $(again)/results && ln -s ../config $(again)/config
	cp -R docs/reference/runs docs/reference/probes docs/reference/data $(again)/results
	cd $(again) && snakemake report --snakefile ../Snakefile --configfile config/reference.yaml --config partial=true keep=true
	cd $(again) && python ../workflow/scripts/write_crate.py --license MIT --output ../docs/reference
	rm -rf $(again)

schema: install
	python workflow/scripts/write_schema.py
