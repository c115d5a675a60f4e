#!/usr/bin/env bash
# Makes the messages and ttrpc stubs in feedback/v1, google/rpc and grpc/health/v1 from the .proto
# files.
#
#   generate.sh           writes them in place
#   generate.sh --check   writes nothing; fails if the committed files differ
#
# Needs protoc, gogottrpc and gogo's own .proto files (Debian: protobuf-compiler, gogottrpc,
# golang-github-gogo-protobuf-dev).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

for tool in protoc:protobuf-compiler protoc-gen-gogottrpc:gogottrpc; do
    command -v "${tool%%:*}" >/dev/null || {
        echo "generate.sh: ${tool%%:*} is missing; install the Debian package ${tool##*:}" >&2
        exit 1
    }
done

output=$(mktemp -d)
trap 'rm -rf "$output"' EXIT
types=github.com/gogo/protobuf/types
mapping=Mgoogle/rpc/status.proto=feedbackd/google/rpc
for type in any field_mask struct timestamp; do mapping+=,Mgoogle/protobuf/$type.proto=$types; done
feedback=$(cd ../../Proto && echo feedback/v1/*.proto)
# One Go package a time, the plugin refuses more. The well-known types come with the gogo library;
# protoc's own are in yet another package.
for protos in "$feedback" google/rpc/status.proto grpc/health/v1/health.proto; do
    # Unquoted: two words are two files.
    protoc -I../../Proto -I/usr/share/gocode/src/github.com/gogo/protobuf/protobuf \
        --gogottrpc_out="plugins=ttrpc,$mapping:$output" $protos
done

# The file of google.rpc.Status names no package of Go's.
mkdir -p "$output/feedbackd/google"
mv "$output/google/rpc" "$output/feedbackd/google/rpc"

for folder in feedback/v1 google/rpc grpc/health/v1; do
    if [ "${1:-}" = --check ]; then
        diff -r "$folder" "$output/feedbackd/$folder" || {
            echo "clients/go/$folder differs from what the .proto files give:" \
                "run clients/go/generate.sh" >&2
            exit 1
        }
    else
        rm -rf "$folder"
        mkdir -p "$folder"
        cp "$output/feedbackd/$folder"/*.go "$folder"
    fi
done
