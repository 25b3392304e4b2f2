# Every target is one command on a fresh machine. `make help` lists them.

PYTHON_HERE := .venv/bin/python
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help run test check promises bench docs format lock wheel clean

help: ## list the targets
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 18

run: ## run a node here: HTTPS on 127.0.0.1:8443, everything it keeps under var/
	@export TANDEM_STARTED_AT=$$(date +%s.%N); scripts/environment.sh run && exec $(PYTHON_HERE) -m tandem run $(ARGS)

test: ## run all tests, promises at small scale; ARGS goes to pytest
	@scripts/environment.sh dev
	@scripts/debian-packages.sh
	@scripts/javascript.sh
	@$(PYTHON_HERE) -m pytest $(ARGS)

check: ## format, lint, types, import contracts, locks
	@scripts/environment.sh dev
	@$(PYTHON_HERE) -m ruff format --check .
	@$(PYTHON_HERE) -m ruff check .
	@$(PYTHON_HERE) -m mypy
	@.venv/bin/lint-imports
	@scripts/lock.sh --check

promises: ## run the promises at full scale and write docs/promises.md
	@scripts/environment.sh dev
	@scripts/debian-packages.sh
	@scripts/javascript.sh
	@$(PYTHON_HERE) -m tests.promises $(ARGS)

bench: ## measure
	@scripts/environment.sh dev
	@$(PYTHON_HERE) -m bench $(ARGS)

docs: ## write the generated parts of docs/reference
	@scripts/environment.sh dev
	@$(PYTHON_HERE) -m tandem.reference docs/reference

format: ## format the code
	@scripts/environment.sh dev
	@$(PYTHON_HERE) -m ruff format .
	@$(PYTHON_HERE) -m ruff check --fix .

lock: ## write the locks from pyproject.toml; UPGRADE=1 takes the newest versions
	@scripts/environment.sh uv
	@scripts/lock.sh $(if $(UPGRADE),--upgrade)

wheel: ## build the distribution into dist/
	@scripts/environment.sh dev
	@$(PYTHON_HERE) -m hatchling build -t wheel

clean: ## remove the environment, caches and builds; var/ stays
	rm -rf .venv dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache tests/js/node_modules tests/js/.lock
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
