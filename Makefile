# Everything a developer does here. Needs git, make, Node.js 20 or newer with npm.

.DEFAULT_GOAL := help
.PHONY: help test test-newer lint demo format readme screenshots clean \
  build build-linux-amd64 build-linux-arm64 deb docker docker-linux-amd64 docker-linux-arm64 rootfs release footprint bench bench-versus soak fleet fleet-table mutations

help: ## this list
	@grep -E '^[a-z0-9 -]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 20

# npm brings the pinned Node.js that everything runs on; `npm run` finds it first
node_modules/.installed: package-lock.json package.json
	npm ci --no-audit --no-fund --loglevel=error
	@touch $@

lint: node_modules/.installed ## formatter, linter with the architecture rule, type check
	npm run --silent lint
	npm run --silent typecheck
	npm run --silent readme -- --check

test: lint ## all checks and tests; end-to-end tests where there is an engine and a broker
	npm run --silent test

SUITE ?= sid
test-newer: node_modules/.installed ## what depends on versions, in another Debian: SUITE=sid or trixie; needs root, debootstrap, 1.1 GB
	@SUITE=$(SUITE) SECOND_WORLD=1 scripts/newer-world.sh vitest run

demo: node_modules/.installed ## the watcher at work, in about a minute; DOCKER=1 for a real engine
	@DOCKER=$(DOCKER) npm run --silent demo

format: node_modules/.installed ## put the source into its one format
	npm run --silent format

screenshots: node_modules/.installed ## renew the pictures of the status page; needs chromium
	@$(NODE) scripts/screenshots.ts

readme: node_modules/.installed ## renew the README's table of settings
	npm run --silent readme

# the pinned Node.js, as for `npm run`; not by `npm exec`, whose own options would bind every npm that it starts
NODE := PATH="$(CURDIR)/node_modules/.bin:$$PATH" node

build: node_modules/.installed ## dist/mosquitto-cert-watcher, one executable for this machine
	@$(NODE) scripts/build.ts

build-linux-amd64 build-linux-arm64: build-%: node_modules/.installed ## dist/mosquitto-cert-watcher-linux-<architecture>
	@$(NODE) scripts/build.ts $*

deb: node_modules/.installed ## dist/mosquitto-cert-watcher_<version>_<architecture>.deb for both; needs dpkg-deb, no root; DEB_MAINTAINER="Name <address>" if you publish it
	@$(NODE) scripts/deb.ts

docker: node_modules/.installed ## the image for this machine: mosquitto-cert-watcher:<version> and :latest; SOURCE_URL=… for its labels, if the clone has no origin
	@$(NODE) scripts/image.ts

docker-linux-amd64 docker-linux-arm64: docker-%: node_modules/.installed ## the image for another machine; needs BuildKit, no emulation
	@$(NODE) scripts/image.ts $*

rootfs: node_modules/.installed ## dist/rootfs-<architecture>: what the Dockerfile copies, for both
	@$(NODE) scripts/image.ts --rootfs linux-amd64 linux-arm64

release: node_modules/.installed ## dist/release: executables, Debian packages, checksums, bills of materials, licences; DRAFT=1 to try it
	@$(NODE) scripts/release.ts $(if $(DRAFT),--draft)

bench: build ## the watcher beside the shell script that people write instead, on a real engine
	@$(NODE) bench/bench.ts

bench-versus: build ## how late this build is beside another one, OTHER=/path/to/mosquitto-cert-watcher, on a real engine
	@OTHER=$(OTHER) $(NODE) bench/versus.ts

mutations: node_modules/.installed ## deliberate mistakes in the core, each caught by the model-based tests
	@$(NODE) bench/mutations/run.ts

soak: build ## a rotation every few seconds for twenty minutes, on a real engine; MINUTES=60 for more
	@$(NODE) bench/soak.ts

fleet: node_modules/.installed ## 100,000 gateways renewed in one minute, with and without RESTART_SPLAY
	@$(NODE) bench/fleet.ts

fleet-table: build ## the fleet command before 10,000 gateways at a real Mosquitto; GATEWAYS=100000 for more
	@$(NODE) bench/fleet-table.ts dist/mosquitto-cert-watcher

footprint: build ## size, start-up, memory and CPU of the executable, measured
	@$(NODE) bench/footprint.ts

clean: ## remove what was built or installed
	rm -rf node_modules dist
