#!/usr/bin/env bash
# Builds the Go gRPC client, offline and out of Debian packages only.
#
#   build.sh OUTPUT_DIR        writes OUTPUT_DIR/go-grpc-client
#
# The messages and stubs are generated from the project's own .proto files into a GOPATH below
# OUTPUT_DIR.
set -euo pipefail

die() {
    echo "build.sh: $*" >&2
    exit 1
}

[ $# -eq 1 ] || die "usage: build.sh OUTPUT_DIR"
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
protos=$here/../../../Proto
libraries=/usr/share/gocode

# need_tool COMMAND PACKAGE
need_tool() {
    command -v "$1" >/dev/null || die "$1 is missing; install the Debian package $2"
}

need_tool go golang-go
need_tool protoc protobuf-compiler
need_tool protoc-gen-go golang-goprotobuf-dev
[ -d "$libraries/src/google.golang.org/grpc" ] ||
    die "the Go library of gRPC is missing; install the Debian package golang-google-grpc-dev"

mkdir -p "$1"
output=$(cd "$1" && pwd)
gopath=$output/gopath
mkdir -p "$gopath/src"
# The well-known types of Debian's library are not where protoc's own files say.
types=github.com/golang/protobuf/ptypes
genproto=google.golang.org/genproto
mapping=Mgoogle/protobuf/timestamp.proto=$types/timestamp
mapping+=,Mgoogle/protobuf/struct.proto=$types/struct
mapping+=,Mgoogle/protobuf/field_mask.proto=$genproto/protobuf/field_mask
mapping+=,Mgoogle/rpc/status.proto=$genproto/googleapis/rpc/status
protoc -I"$protos" --go_out="plugins=grpc,$mapping:$gopath/src" \
    feedback/v1/{feedback,session,value}.proto

# Without modules Go asks no network; without cgo it needs no C compiler.
cd "$here"
GO111MODULE=off GOFLAGS='' GOPATH="$gopath:$libraries" GOCACHE="${GOCACHE:-$output/go-cache}" \
    CGO_ENABLED=0 go build -o "$output/go-grpc-client" .
