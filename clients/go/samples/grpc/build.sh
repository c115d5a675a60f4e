#!/usr/bin/env bash
# Builds the gRPC sample out of Debian's packages, without a network.
#
#   build.sh OUTPUT_DIR        writes OUTPUT_DIR/grpc
#
# Its messages and stubs are generated below OUTPUT_DIR: they are other types than the ttrpc
# client's, in a package of the same name.
set -euo pipefail
[ $# -eq 1 ] || { echo "usage: build.sh OUTPUT_DIR" >&2; exit 64; }
mkdir -p "$1/gopath/src"
output=$(cd "$1" && pwd)
cd "$(dirname "${BASH_SOURCE[0]}")"

# The well-known types of Debian's library are not where protoc's own files say.
types=github.com/golang/protobuf/ptypes
genproto=google.golang.org/genproto
mapping=Mgoogle/protobuf/timestamp.proto=$types/timestamp
mapping+=,Mgoogle/protobuf/struct.proto=$types/struct
mapping+=,Mgoogle/protobuf/field_mask.proto=$genproto/protobuf/field_mask
mapping+=,Mgoogle/rpc/status.proto=$genproto/googleapis/rpc/status
protoc -I../../../../Proto --go_out="plugins=grpc,$mapping:$output/gopath/src" \
    feedback/v1/{feedback,session,value}.proto
GO111MODULE=off GOFLAGS='' GOPATH="$output/gopath:/usr/share/gocode" CGO_ENABLED=0 \
    go build -o "$output/grpc" .
