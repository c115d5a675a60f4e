#!/usr/bin/env bash
# Builds the benchmark's peers, optimised, offline and out of Debian packages only.
#
#   build-peers.sh OUTPUT_DIR      writes OUTPUT_DIR/<peer> for each folder below peers/
#
# A target that is newer than its sources is not built again. The generated code of the messages
# goes below OUTPUT_DIR too, so that nothing generated gets into the source tree.
set -euo pipefail

die() {
    echo "build-peers.sh: $*" >&2
    exit 1
}

[ $# -eq 1 ] || die "usage: build-peers.sh OUTPUT_DIR"
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
peers=$here/peers
protos=$here/../../Proto
libraries=${GO_LIBRARIES:-/usr/share/gocode}
mkdir -p "$1"
output=$(cd "$1" && pwd)

for tool in gcc g++ swiftc go protoc protoc-gen-gogottrpc grpc_cpp_plugin pkg-config; do
    command -v "$tool" >/dev/null ||
        die "$tool is missing; install the Debian packages named in the Makefile's BENCH_PACKAGES"
done

# is_current TARGET SOURCE...: true if the target is newer than this script and all the sources.
is_current() {
    local target=$1 source
    shift
    [ -e "$target" ] || return 1
    for source in "${BASH_SOURCE[0]}" "$@"; do
        [ "$target" -nt "$source" ] || return 1
    done
    echo "$(basename "$target") is up to date"
}

# build_c PEER PKG_CONFIG_PACKAGE...
build_c() {
    local peer=$1 flags=()
    shift
    is_current "$output/$peer" "$peers/$peer/main.c" "$peers"/*.h && return
    [ $# -eq 0 ] || read -ra flags <<<"$(pkg-config --cflags --libs "$@")"
    echo "building $peer"
    gcc -std=gnu11 -D_GNU_SOURCE -O2 -Wall -Wextra -o "$output/$peer" "$peers/$peer/main.c" "${flags[@]}"
}

build_echo_dispatch() {
    local target=$output/echo-dispatch source=$peers/echo-dispatch/main.swift
    is_current "$target" "$source" "$peers/response_frame.h" && return
    echo "building echo-dispatch"
    # The program is linked like the daemon.
    swiftc -O -swift-version 6 -static-stdlib -use-ld=lld \
        -import-objc-header "$peers/response_frame.h" -o "$target" "$source"
}

build_ttrpc_go() {
    local target=$output/ttrpc-go gopath=$output/generated/go files
    is_current "$target" "$peers/ttrpc-go/main.go" "$protos"/feedback/v1/*.proto && return
    echo "building ttrpc-go"
    rm -rf "$gopath"
    mkdir -p "$gopath/src"
    # google.rpc.Status is generated too, as a package that its file does not name.
    local mapping=Mgoogle/rpc/status.proto=feedbackd/google/rpc type
    for type in any field_mask struct timestamp; do
        mapping+=,Mgoogle/protobuf/$type.proto=github.com/gogo/protobuf/types
    done
    # One Go package a time, the plugin refuses more. The well-known types come with the gogo library;
    # protoc's own are in yet another package.
    for files in "feedback/v1/feedback.proto feedback/v1/value.proto" google/rpc/status.proto; do
        # Unquoted: two words are two files.
        protoc -I"$protos" -I"$libraries/src/github.com/gogo/protobuf/protobuf" \
            --gogottrpc_out="plugins=ttrpc,$mapping:$gopath/src" $files
    done
    mkdir -p "$gopath/src/feedbackd/google"
    mv "$gopath/src/google/rpc" "$gopath/src/feedbackd/google/rpc"
    # Without modules Go asks no network; without cgo it needs no C compiler.
    (cd "$peers/ttrpc-go" &&
        GO111MODULE=off GOFLAGS='' GOPATH="$gopath:$libraries" CGO_ENABLED=0 \
            GOCACHE="${GOCACHE:-$output/generated/go-cache}" go build -o "$target" .)
}

# build_grpc PEER: with the messages' generated code, which both peers share.
build_grpc() {
    local peer=$1 generated=$output/generated/cpp name
    local messages=(feedback/v1/feedback feedback/v1/value google/rpc/status) files
    files=("${messages[@]/#/$protos/}")
    files=("${files[@]/%/.proto}")
    local flags=(-std=c++20 -O2 -DNDEBUG -I"$generated")
    if ! is_current "$generated/feedback.grpc.pb.o" "${files[@]}"; then
        echo "building the gRPC messages"
        mkdir -p "$generated"
        protoc -I"$protos" --cpp_out="$generated" "${messages[@]/%/.proto}"
        protoc -I"$protos" --grpc_out="$generated" \
            --plugin=protoc-gen-grpc="$(command -v grpc_cpp_plugin)" feedback/v1/feedback.proto
        # The stubs come last: they tell that all are there.
        for name in "${messages[@]/%/.pb}" feedback/v1/feedback.grpc.pb; do
            g++ "${flags[@]}" -c "$generated/$name.cc" -o "$generated/$(basename "$name").o"
        done
    fi
    is_current "$output/$peer" "$peers/$peer/main.cpp" "$peers"/*.h "$generated"/*.o && return
    echo "building $peer"
    # shellcheck disable=SC2046
    g++ "${flags[@]}" -Wall -Wextra -o "$output/$peer" "$peers/$peer/main.cpp" "$generated"/*.o \
        $(pkg-config --cflags --libs grpc++ protobuf)
}

build_c echo-c
build_echo_dispatch
build_ttrpc_go
build_grpc grpc-cpp-server
build_grpc grpc-cpp-client
build_c sqlite-loop sqlite3
build_c fdatasync-loop
build_c mongoc-loop libmongoc-1.0
