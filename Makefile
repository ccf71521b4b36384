# The one front door: what people, CI and the README call. No logic here; each target runs one module.
PYTHON ?= python3
STACK ?= dev
OUT ?= rendered/$(STACK)
BASE ?= main
KIND ?= down
VENV := .venv
PY := $(VENV)/bin/python
READY := $(VENV)/.ready
POLICIES := policies/.venv/.ready
SOURCES := *.py settings benchmarks checks components control_plane dashboards drills engine incident local policies rehearsal report review simulation verify tests

# What may be given as NAME=value. A name that is a letter off would be ignored, and something else done than was meant.
VARIABLES := AGAINST BASE BOARD CHARTS CONTEXT DAYS DIALECT FILE FROM GRAFANA HOURS IMAGES JOBS KEEP KIND NAME OUT PORT_OFFSET PYTHON RULE \
	SEED SERVICE SERVICES SINCE SIZES SPEED STACK STATE TO TRACES VERBOSE VERSIONS WORKERS
NEAR = $(PYTHON) -c 'import sys; from invalid import one_of; print(one_of(sys.argv[2:], sys.argv[1]))'
GIVEN := $(foreach name,$(.VARIABLES),$(if $(findstring command line,$(origin $(name))),$(name)))
$(foreach name,$(filter-out $(VARIABLES),$(GIVEN)), \
	$(error $(name)=$($(name)): unknown variable; expected $(shell $(NEAR) '$(name)' $(VARIABLES))))
# Nothing would be taken for all of it, or for the default.
$(foreach name,$(GIVEN),$(if $(strip $($(name))),,$(error $(name)= is empty; give it a value, or leave it out)))

ifneq ($(filter up status down fault heal report drill,$(MAKECMDGOALS)),)
ifeq ($(origin STACK)$(filter dev,$(STACK)),command line)
$(error STACK=$(STACK): the rehearsal is always of the dev stack; leave STACK out)
endif
endif

# Without bytecode of Pulumi's SDKs, every process compiles them anew.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help up status report review incident down fault heal drill check-lines check test test-unit test-contract test-instrumentation test-engine test-logs \
	test-loss test-rehearsal test-running test-today test-changes test-outage test-drills test-soak test-truth test-signals test-traces soak \
	test-cluster test-pythons test-robot mutate bench-rules bench-dashboards bench-engine bench-instrumentation bench-logs lint format render \
	diff mirror-list examples pulumi-there context-named inputs-read preview deploy drift destroy \
	preflight verify schema charts-check outdated lock tools clean

help: ## Show the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-21s", $$1; width = 28; words = split($$2, word, " "); \
		for (i = 1; i <= words; width += length(word[i++]) + 1) { \
			if (width + length(word[i]) >= 100) { printf "\n%28s", ""; width = 28 } printf " %s", word[i] } print "" }' $(MAKEFILE_LIST)

# --- the rehearsal: the dev stack on this machine ---------------------------------------------------------------
up: $(READY) ## Deploy the dev stack here and start everything (PORT_OFFSET=n moves every port, DIALECT=today|package, SPEED=n, GRAFANA=1, TRACES=1, VERBOSE=1)
	@$(PY) -m rehearsal up

status: $(READY) ## Show processes, firing alerts and addresses
	@$(PY) -m rehearsal status

report: $(READY) ## Draw every dashboard on one page, as it is now: SINCE=1h BOARD=system-health OUT=file IMAGES=directory
	@$(PY) -m report $(if $(SINCE),--since "$(SINCE)") $(if $(BOARD),--board "$(BOARD)") \
		$(if $(filter-out file,$(origin OUT)),--out "$(OUT)") $(if $(IMAGES),--images "$(IMAGES)")

review: $(READY) ## What the alerts of the last days were worth, as a page and a table: SINCE=14d OUT=file.html (STACK=prod, CONTEXT=name: of a cluster)
	@$(PY) -m review $(if $(SINCE),--since "$(SINCE)") $(if $(filter-out file,$(origin OUT)),--out "$(OUT)") \
		$(if $(filter-out file,$(origin STACK)),--stack "$(STACK)") $(if $(CONTEXT),--context "$(CONTEXT)")

incident: $(READY) ## One page of an incident: FROM=14:05 TO=15:00, by default the last page, OUT=file.html (STACK=prod, CONTEXT=name: of a cluster)
	@$(PY) -m incident $(if $(FROM),--from "$(FROM)") $(if $(TO),--to "$(TO)") $(if $(filter-out file,$(origin OUT)),--out "$(OUT)") \
		$(if $(filter-out file,$(origin STACK)),--stack "$(STACK)") $(if $(CONTEXT),--context "$(CONTEXT)")

down: $(READY) ## Stop everything
	@$(PY) -m rehearsal down

fault: $(READY) ## Break a service, and say when to expect a page: KIND=down|errors|latency SERVICE=order-service
	@$(PY) -m rehearsal fault -- "$(KIND)" "$(SERVICE)"

heal: $(READY) ## Undo every fault, and say when pages resolve
	@$(PY) -m rehearsal heal

drill: $(READY) ## Real faults, and whether the right people are notified in time: NAME=killed for one (SPEED=30, PORT_OFFSET=n)
	@$(PY) -m drills $(foreach name,$(NAME),--name "$(name)")

check-lines: $(READY) ## What the log agent finds in a service's log: FILE=order-service.log (SERVICE=order-service)
	@$(PY) -m rehearsal.check_lines $(if $(SERVICE),--service "$(SERVICE)") -- "$(FILE)"

# --- checks -----------------------------------------------------------------------------------------------------
# `make test` runs its parts side by side, the longest first: most of them wait for scrapes and alerts most of the time.
# What they start has ports and a directory of its own. Each is a job in CI, so that a red name says what broke. SEED=7
# shuffles the files of a part, and the tests of a file unless it says that their order matters.
PYTEST := $(PY) -m pytest $(if $(SEED),--random-order-bucket module --random-order-seed $(SEED))
RUNNING := tests/rehearsal/test_running.py tests/rehearsal/test_panels.py tests/rehearsal/test_report.py \
	tests/rehearsal/test_correlation.py
CHANGED := tests/rehearsal/test_running_changes.py tests/rehearsal/test_running_series.py tests/rehearsal/test_starting.py
LIVES := tests/cluster/test_life.py tests/cluster/test_trouble.py tests/cluster/test_validation.py
PARTS := test-outage test-truth test-soak test-running test-today test-changes test-engine test-contract test-rehearsal \
	test-instrumentation test-unit
# By themselves: an agent that starves sends again what it hears of too late, and in faster time a probe waits half a second.
LAST := test-logs test-loss test-drills
JOBS ?= 3
WORKERS ?= auto
WHOLE := $(shell seq 64)
ifeq ($(filter $(JOBS),$(WHOLE)),)
$(error JOBS=$(JOBS): expected a whole number from 1 to 64)
endif
ifeq ($(filter $(WORKERS),auto 0 $(WHOLE)),)
$(error WORKERS=$(WORKERS): expected auto, or a whole number from 0 to 64)
endif
ALONE := WORKERS=0 # where other parts use the other cores

check: $(READY) tools ## What to run after an edit: lint, unit, contract, instrumentation and engine tests
	@$(MAKE) --no-print-directory --jobs 2 --output-sync=target --keep-going $(ALONE) \
		test-engine test-contract lint test-instrumentation test-unit

test: $(READY) tools ## Everything but test-signals, test-traces, test-cluster and test-robot, JOBS=3 parts at once
	@$(MAKE) --no-print-directory --jobs $(JOBS) --output-sync=target --keep-going $(ALONE) $(PARTS)
	@$(MAKE) --no-print-directory $(LAST)

test-unit: $(READY) ## Unit tests alone, in a minute
	@$(PYTEST) --numprocesses=$(WORKERS) --dist=worksteal tests/unit

test-contract: $(READY) tools ## Rules, routes, dashboards, charts and AWS objects, without running them
	@$(PYTEST) --numprocesses=$(WORKERS) --dist=worksteal tests/contract tests/aws

test-instrumentation: $(READY) ## The package in instrumentation/
	@$(PYTEST) instrumentation/tests

test-engine: $(READY) $(POLICIES) tools ## Both stacks with the real Pulumi CLI and stand-in providers
	@$(PYTEST) tests/engine

test-logs: $(READY) tools ## The log agent and Loki
	@$(PYTEST) tests/logs --ignore tests/logs/loss

test-loss: $(READY) tools ## What logs are lost when things break
	@$(PYTEST) tests/logs/loss

test-rehearsal: $(READY) tools ## The parts of the rehearsal, each alone
	@$(PYTEST) tests/rehearsal $(patsubst %,--ignore %,$(RUNNING) $(CHANGED) $(wildcard tests/rehearsal/test_running_*.py) \
		tests/rehearsal/test_drills.py tests/rehearsal/test_soak.py tests/rehearsal/test_truth.py)

test-running: $(READY) tools ## The running stack while all is well: every panel, every rule, the report
	@$(PYTEST) $(RUNNING)

test-today: $(READY) tools ## The running stack with the application as it is today
	@$(PYTEST) tests/rehearsal/test_running_today.py

test-changes: $(READY) tools ## Edits of the running stack, faults, kills, and starts that fail
	@$(PYTEST) $(CHANGED)

test-outage: $(READY) tools ## One real outage and recovery, nearly all of it waiting
	@$(PYTEST) tests/rehearsal/test_running_outage.py

test-drills: $(READY) tools ## Some of the drills of make drill, which fail if one does not hold
	@$(PYTEST) tests/rehearsal/test_drills.py

test-soak: $(READY) tools ## Ten minutes of a healthy system's noise against the running stack, which must stay silent
	@$(PYTEST) tests/rehearsal/test_soak.py

test-truth: $(READY) tools ## Whether panels show what happened, most of it waiting
	@$(PYTEST) tests/rehearsal/test_truth.py

test-traces: $(READY) tools ## Traces in the running stack; the first time it builds Jaeger, 6 minutes on two cores
	@$(PY) -m pytest tests/traces

test-signals: $(READY) tools ## Who is notified of which alert and when, and what mutate asks: 20 minutes
	@$(PY) -m pytest tests/signals

soak: $(READY) ## Does a healthy system stay silent? DAYS=14 through all rules, 15 minutes; HOURS=4 in the running stack (SPEED=10, SEED=n)
	@$(PY) -m drills.soak $(if $(DAYS),--days "$(DAYS)") $(if $(HOURS),--hours "$(HOURS)") $(if $(SEED),--seed "$(SEED)")

test-cluster: $(READY) tools ## Both stacks on a real API server, with the official provider (Linux, root; 8 min on two idle cores, the first time half an hour more)
	@$(PY) -m engine.toolchain --control-plane
	@$(MAKE) --no-print-directory --jobs 2 --output-sync=target --keep-going test-cluster-lives test-cluster-operation

test-cluster-lives: $(READY)
	@$(PYTEST) $(LIVES)

test-cluster-operation: $(READY)
	@$(PYTEST) tests/cluster $(patsubst %,--ignore %,$(LIVES))

test-pythons: $(READY) ## Test instrumentation/ on each of Python 3.11 to 3.13 on PATH, and with its lowest versions, a minute each: VERSIONS="3.12 3.13"
	@$(PY) -m checks.pythons -- $(VERSIONS)

test-robot: $(READY) ## Does the robot of .github/renovate.json find each pin, exactly once? 20 s; the first time it is installed, 365 MB
	@$(PYTEST) tests/robot

mutate: $(READY) ## Would tests notice a mistake in a rule? FILE=services or RULE=ServiceDown for some
	@$(PY) -m checks.mutation.mutate $(if $(FILE),--file "$(FILE)") $(if $(RULE),--rule "$(RULE)")

bench-rules: $(READY) ## What the rules cost with 6, 60 and 600 services: 20 minutes on an idle machine
	@$(PY) -m benchmarks.rules $(if $(SIZES),--sizes "$(SIZES)")

bench-dashboards: $(READY) ## What the dashboards cost with 60 services and 15 days: 25 minutes (KEEP=directory keeps the data)
	@$(PY) -m benchmarks.dashboards $(if $(KEEP),--keep "$(KEEP)") $(if $(SERVICES),--services "$(SERVICES)") $(if $(DAYS),--days "$(DAYS)")

bench-engine: $(READY) ## What a preview and an up of the dev stack cost, against its Helm releases alone: 10 minutes on an idle machine
	@$(PY) -m benchmarks.engine

bench-instrumentation: $(READY) ## What instrumentation/ costs a service, against others: 3 minutes on an idle machine
	@$(PY) -m benchmarks.instrumentation

bench-logs: $(READY) ## What logs are lost when things break, the agent's and searches' speed: 33 minutes (KEEP=directory keeps the data, DAYS=1 for less, AGAINST=commit)
	@$(PY) -m benchmarks.logs_search $(if $(KEEP),--keep "$(KEEP)") $(if $(DAYS),--days "$(DAYS)")
	@$(PY) -m benchmarks.logs_loss
	@$(PY) -m benchmarks.logs_throughput
	@$(PY) -m benchmarks.logs_agents $(if $(AGAINST),--against "$(AGAINST)")

lint: $(READY) ## ruff, import-linter, deptry, vulture, mypy, promtool, amtool, actionlint, zizmor
	@$(VENV)/bin/ruff format --check .
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/lint-imports --no-logo --no-cache
	@$(VENV)/bin/deptry --no-ansi .
	@$(VENV)/bin/vulture
	@$(VENV)/bin/mypy $(SOURCES)
	@cd instrumentation && ../$(VENV)/bin/mypy src tests
	@$(PY) -m checks.lint

format: $(READY) ## Format the Python files
	@$(VENV)/bin/ruff format .
	@$(VENV)/bin/ruff check --fix .

# --- reviewing and deploying ------------------------------------------------------------------------------------
render: $(READY) ## Write what a stack would deploy: STACK=dev|prod OUT=directory
	@$(PY) -m engine.render render --stack "$(STACK)" --out "$(OUT)"

diff: $(READY) ## What the working tree changes in a stack: STACK=dev|prod BASE=git-ref
	@$(PY) -m engine.render diff --stack "$(STACK)" --base "$(BASE)"

mirror-list: $(READY) ## Every chart and container image that a stack takes from a registry: STACK=dev|prod
	@$(PY) -m checks.mirror --stack "$(STACK)"

examples: $(READY) ## Write what each stack of examples/stacks/ deploys, for git diff to show
	@$(PY) -m checks.examples

preflight: $(READY) ## Can a cluster take a stack? Before the first pulumi up: STACK=dev|prod, CONTEXT=name if the stack names none
	@context="$$($(PY) -m verify.context --reads -- "$(STACK)" "$(CONTEXT)")" && $(PY) -m verify.preflight --stack "$(STACK)" --context "$$context"

# In this order: without the CLI or for another context than the stack's, nothing is built.
pulumi-there:
	@command -v pulumi >/dev/null || { echo "pulumi is not on PATH, and preview, deploy, drift and destroy run it;" \
		"docs/deploying.md (Before the first time) says where to get it" >&2; exit 2; }

context-named: pulumi-there $(READY)
	@$(PY) -m verify.context -- "$(STACK)" "$(CONTEXT)" >/dev/null

inputs-read: context-named
	@$(PY) -m engine.rule_files
	@$(PY) -m engine.chart_files -- "$(STACK)"

preview: inputs-read $(POLICIES) ## pulumi preview of a stack with the vendor's CLI, and its policies: STACK=dev|prod
	@pulumi preview --diff --policy-pack policies --stack "$(STACK)"

deploy: inputs-read $(POLICIES) ## pulumi up of a stack with the vendor's CLI and its policies, then verify it: STACK=dev|prod
	@$(PY) -m verify.volumes --stack "$(STACK)" --context "$$($(PY) -m verify.context -- "$(STACK)")"
	@pulumi up --policy-pack policies --stack "$(STACK)"
	@$(MAKE) --no-print-directory verify

drift: inputs-read ## Is a deployed stack as the program says? pulumi preview with refresh must find no change, and verify nothing: STACK=dev|prod
	@pulumi preview --refresh --expect-no-changes --diff --stack "$(STACK)"
	@$(MAKE) --no-print-directory verify

destroy: context-named ## pulumi destroy of a stack with the vendor's CLI, after a preview; a protected stack is refused: STACK=dev|prod
	@pulumi destroy --stack "$(STACK)"

verify: $(READY) ## Check a deployed stack: STACK=dev|prod, CONTEXT=name if the stack names none
	@context="$$($(PY) -m verify.context --reads -- "$(STACK)" "$(CONTEXT)")" && $(PY) -m verify --stack "$(STACK)" --context "$$context"

schema: $(READY) ## Write the JSON Schemas for editors, docs/settings.md, the pages of alerts and runbooks, and what is seen of each panel
	@$(PY) -m checks.documentation
	@$(PY) -m checks.drawings

charts-check: $(READY) ## Compare the key lists with the real charts, where a chart source is reachable: CHARTS=directory of their packages
	@$(PY) -m checks.chart_keys check $(if $(CHARTS),--charts "$(CHARTS)")

outdated: $(READY) ## List each pin with its newest version, as far as the registries are reachable: 15 s
	@$(PY) -m checks.outdated

# --- set-up -----------------------------------------------------------------------------------------------------
tools: $(READY) ## Build the pinned tools into the cache, once
	@$(PY) -m engine.toolchain

lock: $(READY) ## Lock the requirements again, with hashes and without an index
	@sh requirements/lock.sh

clean: $(READY) ## Stop everything and remove what was stored
	@$(PY) -m rehearsal clean
	@rm -rf rendered .rehearsal-drills

$(READY): requirements/dev.txt requirements/uv.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; name it with: make PYTHON=python3.12")'
	@echo "Preparing $(VENV) from the locked requirements"
	@$(PYTHON) -m venv $(VENV)
	@$(PY) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/uv.txt
	@$(PY) -m uv pip install --quiet --python $(PY) --require-hashes -r requirements/dev.txt
	@touch $@

# Of its own, as its SDK needs an older protobuf than the program.
$(POLICIES): requirements/policies.txt | $(READY)
	@echo "Preparing policies/.venv from the locked requirements"
	@$(PYTHON) -m venv policies/.venv
	@$(PY) -m uv pip install --quiet --python policies/.venv/bin/python --require-hashes -r requirements/policies.txt
	@touch $@

# A target that is a letter off
.DEFAULT:
	@echo "make $@: unknown target; expected $$($(NEAR) '$@' $$(sed -n 's/^\([a-z-]*\):.*## .*/\1/p' Makefile))" >&2; exit 2
