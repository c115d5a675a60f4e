#!/usr/bin/env bash
# Makes the C code of Sources/CFeedbackProto and Sources/CRPCProto from the .proto files.
#
#   Proto/generate.sh           writes the generated files in place
#   Proto/generate.sh --check   writes nothing; fails if the committed files differ
#
# Needs protoc and protoc-c (Debian: protobuf-compiler, protobuf-c-compiler). The well-known types
# come with protoc.
set -euo pipefail
cd "$(dirname "$0")/.."

# The well-known types and who uses them: each C symbol may exist in one module only.
feedback_protos=(
    feedback/v1/feedback.proto feedback/v1/session.proto
    google/protobuf/timestamp.proto google/protobuf/struct.proto
)
rpc_protos=(
    ttrpc/ttrpc.proto google/rpc/status.proto google/rpc/error_details.proto
    grpc/health/v1/health.proto google/protobuf/any.proto
)

# generate FOLDER PROTO...: headers go to FOLDER/include, sources to FOLDER/generated.
generate() {
    local folder=$1 staging
    shift
    staging=$(mktemp -d)
    protoc -IProto --c_out="$staging" "$@"
    rm -rf "$folder/generated"
    find "$folder/include" -name '*.pb-c.h' -delete 2>/dev/null || true
    (cd "$staging" && find . -type f) | while read -r file; do
        case $file in
        *.h) target="$folder/include/$file" ;;
        *) target="$folder/generated/$file" ;;
        esac
        mkdir -p "$(dirname "$target")"
        mv "$staging/$file" "$target"
    done
    rm -rf "$staging"
}

root=.
if [ "${1:-}" = --check ]; then
    root=$(mktemp -d)
    trap 'rm -rf "$root"' EXIT
    for module in CFeedbackProto CRPCProto; do
        mkdir -p "$root/Sources/$module/include"
        cp "Sources/$module/include/module.modulemap" "$root/Sources/$module/include/"
    done
fi

generate "$root/Sources/CFeedbackProto" "${feedback_protos[@]}"
generate "$root/Sources/CRPCProto" "${rpc_protos[@]}"

if [ "$root" != . ]; then
    for module in CFeedbackProto CRPCProto; do
        diff -r "Sources/$module" "$root/Sources/$module" || {
            echo "Sources/$module differs from what the .proto files give: run Proto/generate.sh" >&2
            exit 1
        }
    done
    echo "generated code is up to date"
fi
