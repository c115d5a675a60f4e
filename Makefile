# The two commands of the README are `make run` and `make test`. Each installs what is missing.

BUILD_PACKAGES = pkg-config libprotobuf-c-dev libsqlite3-dev libmongoc-dev
TEST_PACKAGES = $(BUILD_PACKAGES) protobuf-compiler protobuf-c-compiler sqlite3 \
	golang-go golang-github-containerd-ttrpc-dev gogottrpc python3-venv unzip

# Statically linked against Swift's own libraries: smaller in memory, and the binary runs on machines
# without a Swift toolchain. lld, since the default linker warns about Foundation's own code.
RELEASE = -c release --static-swift-stdlib -Xswiftc -use-ld=lld

.PHONY: run test build lint clean

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

# Everything that CI runs. Tests run one at a time: many of them start processes and measure them.
test: export FEEDBACKD_WARNINGS_AS_ERRORS = 1
test:
	@Tests/support/install-packages.sh $(TEST_PACKAGES)
	@Tests/support/install-mongodb.sh
	Proto/generate.sh --check
	$(MAKE) lint
	$(MAKE) build
	swift build --build-tests
	swift test --skip-build --no-parallel

lint:
	swift format lint --strict --recursive Package.swift Sources Tests

clean:
	swift package clean
