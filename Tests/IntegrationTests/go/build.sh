#!/usr/bin/env bash
# Builds the foreign ttrpc client, offline and out of Debian packages only.
#
#   build.sh OUTPUT_DIR        writes OUTPUT_DIR/foreign-client
#
# The Go code of the messages is generated from the project's own .proto files into a GOPATH below
# OUTPUT_DIR, so that nothing generated gets into the source tree. PROTO_DIR names the folder of
# those files when the script is not at its place in the repository.
set -euo pipefail

die() {
    echo "build.sh: $*" >&2
    exit 1
}

[ $# -eq 1 ] || die "usage: build.sh OUTPUT_DIR"
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
protos=${PROTO_DIR:-$here/../../../Proto}
libraries=${GO_LIBRARIES:-/usr/share/gocode}

# need_tool COMMAND PACKAGE
need_tool() {
    command -v "$1" >/dev/null || die "$1 is missing; install the Debian package $2"
}

# need_library IMPORT_PATH PACKAGE
need_library() {
    [ -d "$libraries/src/$1" ] ||
        die "the Go library $1 is not below $libraries; install the Debian package $2"
}

need_tool go golang-go
need_tool protoc protobuf-compiler
need_tool protoc-gen-gogottrpc gogottrpc
need_library github.com/containerd/ttrpc golang-github-containerd-ttrpc-dev
need_library github.com/gogo/protobuf/types golang-github-gogo-protobuf-dev
need_library github.com/sirupsen/logrus golang-github-sirupsen-logrus-dev
need_library google.golang.org/genproto/googleapis/rpc/errdetails golang-google-genproto-dev
need_library google.golang.org/grpc/status golang-google-grpc-dev
[ -f "$protos/feedback/v1/feedback.proto" ] ||
    die "no feedback/v1/feedback.proto in $protos; set PROTO_DIR to the repository's Proto folder"

mkdir -p "$1"
output=$(cd "$1" && pwd)
gopath=$output/gopath
rm -rf "$gopath"
mkdir -p "$gopath/src"

# generate PROTO...: one Go package a time, the plugin refuses more.
generate() {
    local mapping=Mgoogle/rpc/status.proto=feedbackd/google/rpc type
    for type in any field_mask struct timestamp; do
        mapping+=,Mgoogle/protobuf/$type.proto=github.com/gogo/protobuf/types
    done
    # The well-known types come with the gogo library; protoc's own are in yet another package.
    protoc -I"$protos" -I"$libraries/src/github.com/gogo/protobuf/protobuf" \
        --gogottrpc_out="plugins=ttrpc,$mapping:$gopath/src" "$@"
}

generate feedback/v1/{feedback,session,value}.proto
generate grpc/health/v1/health.proto
generate google/rpc/status.proto
# The file of google.rpc.Status names no package of Go's.
mkdir -p "$gopath/src/feedbackd/google"
mv "$gopath/src/google/rpc" "$gopath/src/feedbackd/google/rpc"

# Without modules Go asks no network; without cgo it needs no C compiler.
cd "$here"
GO111MODULE=off GOFLAGS='' GOPATH="$gopath:$libraries" GOCACHE="${GOCACHE:-$output/go-cache}" \
    CGO_ENABLED=0 go build -o "$output/foreign-client" .
