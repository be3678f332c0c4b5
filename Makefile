# Every target works on a fresh machine with Python 3.11 and make. Go is used if it is there and new
# enough, and comes from PyPI otherwise.

VENV := .venv
PYTHON ?=
RUN := $(VENV)/bin/python -m
INSTALLED := $(VENV)/.installed

.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

.PHONY: help
help: ## Show this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: venv
venv: $(INSTALLED) ## Make .venv with the locked dependencies and tierfleet itself

$(INSTALLED): requirements-dev.lock pyproject.toml
	@e2e/venv.sh $(VENV) $(PYTHON)

.PHONY: tools
tools: $(INSTALLED) ## Build the programs of the test cluster (12 to 26 minutes at first, then cached)
	@$(RUN) e2e.toolchain >/dev/null

.PHONY: lint
lint: $(INSTALLED) ## Check style, types, import contracts and generated files
	$(RUN) ruff check
	$(RUN) ruff format --check
	$(RUN) mypy
	$(VENV)/bin/lint-imports
	$(RUN) tierfleet.api.generate --check

.PHONY: test
test: tools ## Run all tests, those on a real control plane included
	$(RUN) pytest

.PHONY: mutants
mutants: $(INSTALLED) ## Check that wrong variants of admission and planning fail a test (6 minutes)
	@$(RUN) tests.mutants.run

# Three properties replace a part of the core or copy it, which only its source allows.
COMPILED := -o "pythonpath=build/compiled ." tests/unit/admission tests/property/admission \
	-k "not nothing_would_be_decided_before_it \
	and not whom_a_reservation_owes_one_before \
	and not pays_for_just_what_was_served"

.PHONY: nightly
nightly: $(INSTALLED) ## Check the invariants with many more examples, and the compiled core (long)
	$(RUN) pytest tests/property --hypothesis-profile=nightly
	@$(RUN) bench.admission.compiled
	$(RUN) pytest $(COMPILED)

FUZZING := $(VENV)/.fuzzing

.PHONY: fuzz
fuzz: $(FUZZING) ## Try a million inputs on what reads bytes from strangers (5 minutes)
	@$(RUN) tests.fuzz

$(FUZZING): $(INSTALLED)
	@$(RUN) pip install --quiet atheris==3.0.0
	@touch $@

.PHONY: bench-admission
bench-admission: $(INSTALLED) ## Measure cycles a second of the admission core, pure and compiled (7 minutes)
	@$(RUN) bench.admission

.PHONY: bench-contract
bench-contract: $(INSTALLED) ## Measure a contract of 30 % under floods, in virtual time (4 minutes)
	@$(RUN) bench.contract $(if $(AZURE),--azure $(AZURE))

.PHONY: bench-proxy
bench-proxy: $(INSTALLED) ## Measure what a request and a chunk cost, beside nginx and two routers (10 minutes)
	@$(RUN) bench.proxy

.PHONY: profile-proxy
profile-proxy: $(INSTALLED) ## Show where the sidecar's processor time goes, by perf (1 minute)
	@$(RUN) bench.proxy.profile

.PHONY: bench-flood
bench-flood: $(INSTALLED) ## Measure enterprise's time to first token under a flood of retail (15 minutes)
	@$(RUN) bench.flood

.PHONY: bench-node
bench-node: tools ## The same on a real node with two replicas: TTFT, attained share, throughput (25 minutes)
	@$(RUN) bench.node

.PHONY: bench-operator
bench-operator: tools ## Measure the operator on 1,000 pools with 10,000 fake pods: start, changes, idleness (45 minutes)
	@$(RUN) bench.operator

.PHONY: e2e-vllm
e2e-vllm: $(INSTALLED) ## Test the sidecar in front of a real vLLM on the processor (6 minutes; installs 6 GB at first)
	@$(RUN) e2e.vllm.install >/dev/null
	$(RUN) pytest e2e/vllm -s

.PHONY: bench-vllm
bench-vllm: $(INSTALLED) ## Measure the same flood on a real vLLM, beside its own priority (30 minutes)
	@$(RUN) bench.vllm

.PHONY: reproduce
reproduce: $(INSTALLED) ## Repeat the tables of the VTC paper, with ours beside them (2 minutes)
	@$(RUN) bench.reproduce

.PHONY: demo
demo: tools ## Show the main job done: retail floods, enterprise keeps its promise (3 minutes)
	@$(RUN) e2e.demo up

.PHONY: demo-down
demo-down: $(INSTALLED) ## Remove what the demo has left to look at
	@$(RUN) e2e.demo down

# NODE=real: a node that runs containers. Needs root and Debian's packages, which it installs.
NODE = fake

.PHONY: cluster
cluster: tools ## Start a cluster with H100 and B200 nodes that stays, and say how to use it
	$(if $(filter fake real,$(NODE)),,$(error NODE=$(NODE): there is fake (nodes that run nothing) and real))
	@$(RUN) e2e.standing up-$(NODE)

.PHONY: cluster-down
cluster-down: $(INSTALLED) ## Remove that cluster
	@$(RUN) e2e.standing down

.PHONY: images
images: $(INSTALLED) ## Build the images of operator, sidecar and engine (docker, podman or buildah; BASE=IMAGE)
	@$(RUN) e2e.images $(if $(filter command line,$(origin BASE)),'$(BASE)')

.PHONY: e2e
e2e: tools ## Run the scenarios on a real node: flood, scaling, drains, crashes, key rotation (15 minutes)
	$(if $(KIND),KIND=$(KIND) )$(RUN) pytest e2e/scenarios

.PHONY: generate
generate: $(INSTALLED) ## Write what is generated from the models: crds/, also in the chart, and docs/api.md
	$(RUN) tierfleet.api.generate

COMPILE := uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate
AS_LOCKED := --constraint requirements-dev.lock

.PHONY: lock
lock: ## Resolve the dependencies anew into requirements-dev.lock and images/ (needs uv)
	@command -v uv >/dev/null || { echo "make lock needs uv: python3 -m pip install uv" >&2; exit 1; }
	$(COMPILE) --upgrade --extra dev --output-file requirements-dev.lock pyproject.toml
	$(COMPILE) $(AS_LOCKED) --extra operator --output-file images/operator.lock pyproject.toml
	$(COMPILE) $(AS_LOCKED) --extra sidecar --extra tracing --output-file images/sidecar.lock pyproject.toml
	$(COMPILE) $(AS_LOCKED) --extra simulator --output-file images/engine.lock pyproject.toml
