#!/usr/bin/env bash
# Makes the messages and gRPC stubs from the .proto files.
#
#   generate.sh OUTPUT_DIR        programs then find them with `ruby -I OUTPUT_DIR`
#
# Needs protoc and gRPC's plugin (Debian: protobuf-compiler, protobuf-compiler-grpc).
set -euo pipefail
[ $# -eq 1 ] || { echo "usage: generate.sh OUTPUT_DIR" >&2; exit 64; }
mkdir -p "$1"
protoc -I"$(dirname "${BASH_SOURCE[0]}")/../../Proto" --ruby_out="$1" --grpc_out="$1" \
    --plugin=protoc-gen-grpc="$(command -v grpc_ruby_plugin)" \
    feedback/v1/{feedback,session,value}.proto
