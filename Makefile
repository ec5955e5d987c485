# The two commands a reader needs are `make demo` and `make test`; both set up .venv by themselves.
PYTHON ?= python3
VENV   := .venv
PY     := $(VENV)/bin/python
# Two processes, a file each: most tests wait for somebody. They must collect the same, hence the seed.
TWO    := PYTHONHASHSEED=0 $(PY) -m pytest -n 2 --dist loadfile
PIP    := $(PY) -m pip install --quiet --disable-pip-version-check --require-hashes

.DEFAULT_GOAL := help

.PHONY: help
help: ## Show what can be made
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

$(VENV)/.created:
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Python 3.11 or later is needed; found " + sys.version.split()[0] + ". Set PYTHON=/path/to/python3.11 and try again.")'
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.sandbox: requirements/sandbox.lock $(VENV)/.created
	$(PIP) -r requirements/sandbox.lock
	@touch $@

$(VENV)/.dev: requirements/dev.lock $(VENV)/.created
	$(PIP) -r requirements/dev.lock
	@touch $@ $(VENV)/.sandbox

.PHONY: demo
demo: $(VENV)/.sandbox ## Run the whole path once, on MovieLens-100k, and show it
	@$(PY) -m sandbox demo

.PHONY: test
test: $(VENV)/.dev lint ## Lint, type-check and run every test but the long ones
	$(TWO) -m "not long and not clients"

.PHONY: test-clients
test-clients: $(VENV)/.dev ## Others' SDKs against the sandbox: JavaScript v2, AWS CLI (needs node and npm)
	$(PY) -m pytest -m clients tests/clients

.PHONY: render-clients
render-clients: $(VENV)/.dev ## Run every SDK (needs node, npm, java, mvn, go) and write docs/reference/sandbox-clients.md anew
	mkdir -p .cache/clients
	CLIENTS_RECORD=.cache/clients $(PY) -m pytest tests/clients
	$(PY) -m tests.clients.table .cache/clients

.PHONY: test-long
test-long: $(VENV)/.dev ## The long suites (simulation with many schedules)
	$(PY) -m pytest -m long

$(VENV)/.fuzz: requirements/fuzz.lock $(VENV)/.dev
	$(PIP) -r requirements/fuzz.lock
	@touch $@

.PHONY: fuzz
fuzz: $(VENV)/.fuzz ## Coverage-guided fuzzing of the decoder (FUZZ_SECONDS=60)
	$(PY) -m pytest -m long tests/fuzz

.PHONY: test-faults
test-faults: $(VENV)/.dev ## Every fault of the matrix, N seeds each (3; about half an hour); writes docs/faults.md
	rm -f .cache/faults.jsonl .cache/measured.jsonl; mkdir -p .cache
	$(PY) -m tests.faults --alone --seeds $(or $(N),3) --store .cache/measured.jsonl
	$(PY) -m tests.faults --seeds $(or $(N),3) --store .cache/faults.jsonl --measured .cache/measured.jsonl --write docs/faults.md

.PHONY: render
render: $(VENV)/.dev ## Write docs/settings.md, docs/reference and schemas/generated anew
	$(PY) -c "from pathlib import Path; from service.settings import reference; Path('docs/settings.md').write_text(reference(), encoding='utf-8')"
	$(PY) -c "from pathlib import Path; from sandbox.assumptions import reference; Path('docs/reference/sandbox-assumptions.md').write_text(reference(), encoding='utf-8')"
	$(PY) -m schemas.render

.PHONY: lint
lint: $(VENV)/.dev ## ruff, mypy, import-linter
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports

.PHONY: format
format: $(VENV)/.dev ## Format the code
	$(VENV)/bin/ruff format .
	$(VENV)/bin/ruff check --fix .

# uv only resolves; plain pip installs. Hashes are locked, index addresses never are.
COMPILE = uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header
.PHONY: lock
lock: ## Resolve the three lock files anew (needs uv)
	$(COMPILE) pyproject.toml -o requirements/service.lock
	$(COMPILE) --extra sandbox -c requirements/service.lock pyproject.toml -o requirements/sandbox.lock
	$(COMPILE) --extra dev -c requirements/sandbox.lock pyproject.toml -o requirements/dev.lock
	echo atheris | $(COMPILE) - -o requirements/fuzz.lock

.PHONY: clean
clean: ## Remove the virtual environment and caches
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis
