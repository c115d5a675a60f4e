# The two commands of the README are `make run` and `make test`. Each installs what is missing.

BUILD_PACKAGES = pkg-config libcurl4-openssl-dev libmongoc-dev libnghttp2-dev libprotobuf-c-dev \
	libsqlite3-dev zlib1g-dev
TEST_PACKAGES = $(BUILD_PACKAGES) protobuf-compiler protobuf-c-compiler sqlite3 \
	golang-go golang-github-containerd-ttrpc-dev gogottrpc \
	golang-google-grpc-dev golang-goprotobuf-dev gcc g++ libgrpc++-dev protobuf-compiler-grpc \
	ruby-grpc nghttp2-client curl openssl $(MONGODB_PACKAGES) $(CLIENT_PACKAGES)
# What clients/*/test.sh build with besides. Debian's cargo is large: another one will do.
CLIENT_PACKAGES = cmake libprotobuf-dev librust-ttrpc-dev protobuf-compiler python3-venv \
	$(if $(shell command -v cargo),,cargo)
# What the benchmark's peers are built from (Tests/Benchmarks/build-peers.sh), and its own tools.
BENCH_PACKAGES = $(BUILD_PACKAGES) gcc g++ protobuf-compiler protobuf-compiler-grpc libprotobuf-dev \
	libgrpc++-dev golang-go golang-github-containerd-ttrpc-dev gogottrpc strace sqlite3 \
	util-linux linux-perf libc6-dbg $(MONGODB_PACKAGES)
# What Tests/support/install-mongodb.sh needs, and the mongod that it brings.
MONGODB_PACKAGES = python3-venv unzip libcurl4

# Statically linked against Swift's own libraries: smaller in memory, and the binary runs on machines
# without a Swift toolchain. lld, since the default linker warns about Foundation's own code. The
# tests' debug build checks exclusive access; here the checks would take 8 % of a call. Optimising
# across modules saves 5 % of one at full load.
RELEASE = -c release --static-swift-stdlib -Xswiftc -use-ld=lld \
	-Xswiftc -enforce-exclusivity=unchecked -Xswiftc -cross-module-optimization

.PHONY: run test test-full build bench lint clean

run: build
	@echo
	@echo "In another shell:"
	@echo "    export PATH=\"$(CURDIR)/.build/release:\$$PATH\""
	@echo "    feedbackctl add user-123 --rating up --comment \"Very helpful response!\""
	@echo "    feedbackctl list user-123"
	@echo "    feedbackctl metrics user-123"
	@echo
	@exec .build/release/feedbackd

build:
	@Tests/support/install-packages.sh $(BUILD_PACKAGES)
	swift build $(RELEASE) --product feedbackd
	swift build $(RELEASE) --product feedbackctl

# Everything that CI runs; with FILTER=StoreContract only the Swift tests whose names
# (Module.Suite/function) match that regular expression. Tests run one at a time: many of them start
# processes and measure them.
test: export FEEDBACKD_WARNINGS_AS_ERRORS = 1
test:
	@Tests/support/install-packages.sh $(TEST_PACKAGES)
	@Tests/support/install-python-clients.sh
	@Tests/support/install-mongodb.sh
ifdef FILTER
	$(MAKE) build
	swift build --build-tests
	@swift test list --skip-build | grep -E -q '$(FILTER)' || \
		{ echo "No test matches FILTER=$(FILTER)." >&2; exit 1; }
	swift test --skip-build --no-parallel --filter '$(FILTER)'
else
	Proto/generate.sh --check
	Proto/check-breaking.sh
	$(MAKE) lint
	$(MAKE) build
	.build/venv-grpc/bin/python Proto/vectors/make.py --check
	clients/test.sh
	swift build --build-tests
	swift test --skip-build --no-parallel
	$(MAKE) bench QUICK=1
endif

# The same with as many rounds and changes as docs/RELIABILITY.md promises: it takes hours.
test-full: export FEEDBACKD_CURSOR_ROUNDS = 100
test-full: export FEEDBACKD_CURSOR_CHANGES = 1000000
test-full: test

# Compares the daemon with its peers and writes .build/bench/report.md; fails if a call allocates,
# enters the kernel or waits more often than Tests/Benchmarks/thresholds.json says. With QUICK=1 the
# measuring takes less than 3 minutes.
bench: build
	@Tests/support/install-packages.sh $(BENCH_PACKAGES)
	@Tests/support/install-mongodb.sh
	@clients/python/make-environment.sh
	swift build $(RELEASE) --product feedbackd-bench
	Tests/Benchmarks/build-peers.sh .build/bench/peers
	python3 Tests/Benchmarks/bench.py $(if $(QUICK),--quick)

lint:
	swift format lint --strict --recursive Package.swift Sources Tests

clean:
	swift package clean
