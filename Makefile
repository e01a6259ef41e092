# Vakhta: what a person does with this repository. `make` alone lists it.
# What CI does is `make check`, see .ci/run.

BIN       := .bin
SCENARIO  ?= server
KEEP      ?=
ARGS      ?=
TEST_ARGS := -timeout 20m -p 2
VERSION   := $(shell git describe --tags --always 2>/dev/null || echo unknown)
# Only the linker sees these: they never compile a package twice.
LDFLAGS   := -s -w -X main.version=$(VERSION)
TOOLS     := $(BIN)/.tools
CHECK_DIRS := . internal/devserver

.DEFAULT_GOAL := help
.PHONY: help demo dev build devserver test check race lint vuln bench bench-localize bench-infer bench-sampled bench-sweep bench-notify bench-page bench-maintenance chaos fmt gen compose clean

help: ## List the targets
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: build ## Play an outage, or planned work, from its first word to the postmortem (SCENARIO=server|pdu|switch|room|uplink|maintenance, KEEP=1 leaves it running)
	$(BIN)/vakhta demo --scenario $(SCENARIO) $(if $(KEEP),--keep) $(ARGS)

dev: build ## Run everything on this machine until Ctrl-C
	$(BIN)/vakhta dev $(ARGS)

build: devserver ## Build vakhta, vakhta-worker and vakhta-devserver into .bin/
	go build -ldflags '$(LDFLAGS)' -o $(BIN)/vakhta ./starter
	go build -ldflags '$(LDFLAGS)' -o $(BIN)/vakhta-worker ./worker

devserver: # the first time takes minutes, and says so
	@go run ./internal/lab/devtemporal/build

test: devserver ## Run all tests on both stores (sets up what they need)
	.ci/setup tests
	go test -C internal/devserver $(TEST_ARGS) ./...
	.ci/with-postgres go test $(TEST_ARGS) ./...

check: lint race ## What CI runs: linters, then all tests under the race detector

# -short draws a fifth of the random cases under the race detector; `make test` draws all of them.
race: devserver
	.ci/setup tests
	go test -C internal/devserver $(TEST_ARGS) ./...
	.ci/with-postgres go test -race -short $(TEST_ARGS) ./...

lint: $(TOOLS) compose vuln ## Run the linters (golangci-lint, workflowcheck, govulncheck, docker-compose config)
	@for dir in $(CHECK_DIRS); do \
		echo "golangci-lint in $$dir"; \
		(cd $$dir && $(CURDIR)/$(BIN)/golangci-lint run --config $(CURDIR)/.golangci.yml ./...) || exit 1; \
	done
	@if [ -d workflows ]; then echo "workflowcheck ./workflows/..."; $(BIN)/workflowcheck -config .workflowcheck.yml -show-pos -test=false ./workflows/...; fi

vuln: $(TOOLS)
	@.ci/vuln

compose:
	@if command -v docker-compose >/dev/null; then echo "docker-compose config"; docker-compose --file docker-compose.yml config -q; \
	elif docker compose version >/dev/null 2>&1; then echo "docker compose config"; docker compose --file docker-compose.yml config -q; \
	else echo "docker-compose.yml: not checked, docker-compose isn't installed"; fi

bench: ## Run the benchmarks (BENCH=regexp, PKG=./internal/topology)
	go test -run '^$$' -bench '$(or $(BENCH),.)' -benchmem -p 1 -timeout 60m $(or $(PKG),./...)

bench-localize: build ## Measure localization end to end: a client's 500 servers, and (root) 100,000, by samples and in full (ARGS='-only client')
	.ci/setup bench
	go run ./internal/lab/bench $(ARGS)

bench-infer: ## Measure inference on generated estates, faults and noise (ARGS='-cases 200 -only full -v')
	go run ./internal/lab/inferbench $(ARGS)

bench-sampled: ## Measure how often samples of the whole estate and the full sweep disagree (NIGHTS=10 of each style)
	@bash -o pipefail -c 'VAKHTA_NIGHTS=$(or $(NIGHTS),10) go test -count 1 -v -timeout 15m -run TestSampledNightsAgreeWithFullOnes ./activities/records | \
		{ grep -E "^(\{|machine:|--- FAIL|FAIL)" || true; }'

bench-sweep: ## Measure ping sweeps in two network namespaces, fping in turn (root; ARGS='-rounds 21')
	.ci/setup bench
	go run ./internal/lab/sweepbench $(ARGS)

bench-notify: build ## Measure a message to 18,000 clients, on SQLite and PostgreSQL (ARGS='-only sqlite')
	.ci/setup tests
	.ci/with-postgres go run ./internal/lab/notifybench $(ARGS)

bench-page: build ## Measure how soon pages leave, and 1,000 escalations at once, on SQLite and PostgreSQL (ARGS='-only sqlite -part alerts')
	.ci/setup tests
	.ci/with-postgres go run ./internal/lab/pagebench $(ARGS)

bench-maintenance: build ## Measure planned work for 18,000 clients in a full calendar, on SQLite and PostgreSQL (ARGS='-only sqlite')
	.ci/setup tests
	.ci/with-postgres go run ./internal/lab/workbench $(ARGS)

chaos: devserver ## A message to 18,000 clients while providers fail and everything of ours is killed (VAKHTA_SEED repeats a run)
	.ci/setup tests
	VAKHTA_LONG=1 .ci/with-postgres go test -count 1 -timeout 60m -v -run '^TestAMassMessageUnderChaos' ./internal/lab/labtest

fmt: $(TOOLS) ## Format the Go code
	@git ls-files --cached --others --exclude-standard '*.go' | xargs -r $(BIN)/gofumpt -w

gen: devserver ## Write what is generated: schemas, golden inputs, the workflow histories that the tests replay
	go generate ./...
	VAKHTA_RECORD=1 go test -count 1 -run '^TestRecordHistories$$' ./internal/lab/labtest

clean: ## Remove what was built and what the demo left behind
	rm -rf $(BIN) .demo .cache

$(TOOLS): internal/tools/go.mod internal/tools/go.sum
	@echo "building the pinned linters; the first time takes about two minutes"
	@mkdir -p $(BIN)
	go build -C internal/tools -o $(CURDIR)/$(BIN)/ tool
	@touch $@
