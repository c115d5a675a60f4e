#!/usr/bin/env bash
# Makes the messages and ttrpc stubs in feedback/v1 and grpc/health/v1 from the .proto files.
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
mapping=Mgoogle/protobuf/timestamp.proto=$types,Mgoogle/protobuf/struct.proto=$types
# One Go package a time, the plugin refuses more. The well-known types come with the gogo library;
# protoc's own are in yet another package.
for protos in "feedback/v1/alert.proto feedback/v1/feedback.proto feedback/v1/session.proto" grpc/health/v1/health.proto; do
    # Unquoted: two words are two files.
    protoc -I../../Proto -I/usr/share/gocode/src/github.com/gogo/protobuf/protobuf \
        --gogottrpc_out="plugins=ttrpc,$mapping:$output" $protos
done

for folder in feedback/v1 grpc/health/v1; do
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
