#!/usr/bin/env bash
# Makes the Python messages of src/feedbackd/_proto from the .proto files of ../../Proto and
# replies.proto.
#
#   generate.sh           writes the generated files in place
#   generate.sh --check   writes nothing; fails if the committed files differ
#
# Needs protoc 3.21 (Debian: protobuf-compiler): what a newer one writes asks for a newer protobuf
# at run time.
#
# The messages are registered under names of our own: a program that makes stubs from the same
# .proto files, of another version maybe, or has googleapis-common-protos or grpcio-health-checking,
# would else have two files of one name. On the wire there are no names.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

protos=(
    ../../Proto/feedback/v1/*.proto ../../Proto/google/rpc/{status,error_details}.proto
    ../../Proto/grpc/health/v1/health.proto ../../Proto/ttrpc/ttrpc.proto replies.proto
)
package=feedbackd/_proto

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/in/$package" "$work/out"
for proto in "${protos[@]}"; do
    sed -E \
        -e 's|^package (.*);|package feedbackd.private.\1;|' \
        -e 's|^import "(.*/)?([a-z_]+)\.proto";|import "'"$package"'/\2.proto";|' \
        -e 's|"'"$package"'/(any\|duration\|field_mask\|struct\|timestamp)\.proto"|"google/protobuf/\1.proto"|' \
        -e '/^import/!s|\bgoogle\.protobuf\.|.google.protobuf.|' \
        "$proto" >"$work/in/$package/$(basename "$proto")"
done
protoc -I"$work/in" --python_out="$work/out" --pyi_out="$work/out" "$work/in/$package"/*.proto

if [ "${1:-}" = --check ]; then
    diff -r --exclude=__init__.py --exclude=__pycache__ "src/$package" "$work/out/$package" || {
        echo "src/$package differs from what the .proto files give: run $0" >&2
        exit 1
    }
    echo "generated Python messages are up to date"
else
    rm -f "src/$package"/*_pb2.py "src/$package"/*_pb2.pyi
    cp "$work/out/$package"/* "src/$package/"
fi
