# Everything that is more than `go run` and `go test`.

# The version that comes next stands in version.go. A release is that; any other build says of which commit it is.
NEXT     := $(shell sed -n 's/^var version = "\(.*\)-dev"$$/\1/p' cmd/appliance/version.go)
COMMIT   := $(shell git rev-parse --short HEAD 2>/dev/null)
DIRTY    := $(shell git status --porcelain --untracked-files=no 2>/dev/null | head -n 1)
VERSION  := $(NEXT)-dev$(if $(COMMIT),.g$(COMMIT))$(if $(DIRTY),.dirty)
RELEASE  ?= $(NEXT)
IMAGE    ?= appliance:$(VERSION)
BIN       = .cache/appliance
DIST      = dist
PLATFORMS ?= linux/amd64 linux/arm64 darwin/amd64 darwin/arm64
# -T: where text begins in memory is no multiple of 2 MiB away from where it begins in the file, so that the kernel cannot map, and count as resident,
# 2 MiB for a byte that is used, as it does where the page cache holds a program in large pieces: just built, copied or pulled.
TEXT      = -T 0x411000
LDFLAGS   = -s -w -X main.version=$(VERSION)

# The race detector covers every package but those that are named here, each with its reason.
# cmd/appliance: its tests start a process for each command, and take minutes; what runs for long is cmd/appliance/serve.
# internal/traceql: it starts no goroutine, and internal/querier runs it from many.
NOT_RACED = appliance/cmd/appliance appliance/internal/traceql
RACE      = $(filter-out $(NOT_RACED),$(shell go list ./...))

FUZZED = internal/otlpwire internal/spool internal/block internal/block/parquet internal/live internal/traceql internal/readapi internal/red internal/rules internal/tail receiver sampler archive

.PHONY: build release release-version release-test install-test test race race-packages lint image image-test e2e e2e-blocks e2e-archive e2e-nomad e2e-monitoring e2e-browser store-test torture mutants bench-peer bench-store bench-block bench-query bench-tail docs fuzz

build: ## a static binary
	CGO_ENABLED=0 go build -trimpath -ldflags '$(LDFLAGS)$(if $(filter linux,$(shell go env GOOS)), $(TEXT))' -o $(BIN) ./cmd/appliance

release: ## dist/: binaries, deb, rpm, image archives, components and checksums, equal bit for bit from one commit
	.ci/release/make -platforms '$(PLATFORMS)' -out $(DIST) -version $(RELEASE) -image appliance:$(RELEASE) \
		-ldflags '-s -w -X main.version=$(RELEASE)' -linux-ldflags '$(TEXT)' all

release-version:
	@echo $(RELEASE)

release-test: ## two releases of one commit are equal bit for bit
	.ci/release-test

install-test: release ## installs, upgrades, removes the packages; as root, on a machine that is thrown away
	.ci/install-test

test: ## what README names
	go test ./...

race:
	go test -race -timeout 15m $(RACE)

race-packages:
	@echo $(RACE)

lint:
	.ci/lint

image: build ## needs a Docker engine; pulls nothing, the image is FROM scratch
	rm -rf .cache/image && mkdir -p .cache/image/data
	cp $(BIN) Dockerfile .cache/image/
	DOCKER_BUILDKIT=0 docker build --label org.opencontainers.image.version=$(VERSION) -t $(IMAGE) .cache/image

image-test: image ## takes and returns a trace under the engine; .ci/docker brings one where none runs
	cd e2e && APPLIANCE_IMAGE=$(IMAGE) go test -count=1 ./image

e2e: build ## real Traefik, SDKs, telemetrygen, Tempo; .ci/peers/build makes them
	.ci/peers/build traefik telemetrygen node otelcol tempo
	cd e2e && APPLIANCE_BIN=$(CURDIR)/$(BIN) go test -count=1 . ./internal/... ./upgrade

e2e-blocks: ## blocks of ours beside a real Tempo's, and what that answered; BLOCKS=long CONFORMANCE=all for hours
	.ci/peers/build tempo node
	cd e2e && go test -count=1 -timeout 10h ./blocks ./conformance

e2e-monitoring: build ## what Prometheus, Grafana and Compose get, with Debian's Prometheus, as root
	APPLIANCE_BIN=$(CURDIR)/$(BIN) .ci/monitoring-test

e2e-browser: build ## the pages in a real Chromium, with axe-core, as root; SCREENSHOTS=$PWD/docs/images keeps the pictures
	APPLIANCE_BIN=$(CURDIR)/$(BIN) .ci/browser-test

store-test: ## the archive's store with versitygw, a full disk, a filesystem that shares bytes; as root
	.ci/store-test

e2e-archive: build ## nothing is purged unarchived, with real Tempos and a real S3 server; as root; TORTURE=long for hours
	APPLIANCE_BIN=$(CURDIR)/$(BIN) .ci/archive-test

torture: build ## the long form of e2e/torture, hours; as root; TORTURE_ARGS="-run PowerCut" for a part
	APPLIANCE_BIN=$(CURDIR)/$(BIN) TORTURE=long .ci/torture

mutants: ## breaks the code on purpose, and fails when no test notices
	go run ./.ci/mutants

e2e-nomad: ## the image and the binary in a real Nomad, as root; .ci/docker brings an engine where none runs
	DOCKER_BRIDGE=1 .ci/docker .ci/nomad-test

bench-peer: build ## side by side with the OpenTelemetry Collector
	.ci/peers/build otelcol
	cd bench && go run . -appliance $(CURDIR)/$(BIN) -collector $(CURDIR)/.cache/peers/bin/otelcol $(BENCH_ARGS)

bench-store: build ## from the socket to merged and archived, beside a real Tempo; BENCH_ARGS="-rates 10000,50000,100000 -for 60s" for the table, "-jaeger" for Jaeger too
	.ci/peers/build tempo $(if $(findstring -jaeger,$(BENCH_ARGS)),jaeger)
	cd bench && go run . store -appliance $(CURDIR)/$(BIN) -tempo $(CURDIR)/.cache/peers/bin/tempo $(BENCH_ARGS)

bench-block: ## what a block costs in CPU, memory and bytes, beside Tempo's CreateBlock; BENCH_ARGS="-spans 50000" for a part
	.ci/peers/build tempo
	go build -trimpath -o .cache/bench-block ./.ci/bench-block
	.cache/bench-block $(BENCH_ARGS)

bench-query: build ## what an answer costs beside a real Tempo, about the same block; BENCH_ARGS="-spans 300000 -rounds 1" for a part
	.ci/peers/build tempo
	go build -trimpath -o .cache/bench-query ./.ci/bench-query
	.cache/bench-query $(BENCH_ARGS)

bench-tail: build ## tail sampling beside the Collector's; BENCH_ARGS="-spans 3000000 -wait 3m" for the large one
	.ci/peers/build otelcol
	cd bench && go run . tail -appliance $(CURDIR)/$(BIN) -collector $(CURDIR)/.cache/peers/bin/otelcol $(BENCH_ARGS)

FUZZTIME ?= 30s
fuzz: ## every fuzz target of the main module, one after the other
	@set -e; for package in $(FUZZED); do for target in $$(go test -list '^Fuzz' ./$$package | grep '^Fuzz'); do \
		echo "== $$package $$target"; go test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) ./$$package; done; done

docs: ## the generated references
	UPDATE_DOCS=1 go test -count=1 -run "TestReferences|TestDeployments" ./cmd/appliance
