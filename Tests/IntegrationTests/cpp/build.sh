#!/usr/bin/env bash
# Builds the C++ gRPC client out of Debian packages only.
#
#   build.sh OUTPUT_DIR        writes OUTPUT_DIR/cpp-client
#
# The messages and stubs are generated from the project's own .proto files below OUTPUT_DIR.
set -euo pipefail

die() {
    echo "build.sh: $*" >&2
    exit 1
}

[ $# -eq 1 ] || die "usage: build.sh OUTPUT_DIR"
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
protos=$here/../../../Proto

# need_tool COMMAND PACKAGE
need_tool() {
    command -v "$1" >/dev/null || die "$1 is missing; install the Debian package $2"
}

need_tool g++ g++
need_tool protoc protobuf-compiler
need_tool grpc_cpp_plugin protobuf-compiler-grpc
pkg-config --exists grpc++ protobuf ||
    die "the C++ library of gRPC is missing; install the Debian package libgrpc++-dev"

mkdir -p "$1"
output=$(cd "$1" && pwd)
services=(feedback/v1/feedback feedback/v1/session)
names=("${services[@]}" feedback/v1/value google/rpc/status)
protoc -I"$protos" --cpp_out="$output" "${names[@]/%/.proto}"
protoc -I"$protos" --grpc_out="$output" \
    --plugin=protoc-gen-grpc="$(command -v grpc_cpp_plugin)" "${services[@]/%/.proto}"

# The stubs and the client are one translation unit, since the library's headers take far longer to
# compile than the code that uses them.
{
    for name in "${services[@]}"; do echo "#include \"$name.grpc.pb.cc\""; done
    echo "#include \"$here/client.cc\""
} >"$output/client.cc"
read -ra flags <<<"-std=c++17 -O0 -I$output $(pkg-config --cflags grpc++ protobuf)"
read -ra libraries <<<"$(pkg-config --libs grpc++ protobuf)"
sources=("${names[@]/%/.pb.cc}" client.cc)
cd "$output"
printf '%s\n' "${sources[@]}" | xargs -P "$(nproc)" -I{} g++ "${flags[@]}" -c {} -o {}.o
g++ "${sources[@]/%/.o}" -o cpp-client "${libraries[@]}"
