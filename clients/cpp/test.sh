#!/usr/bin/env bash
# Builds the C++ API and its samples out of Debian's packages, and runs the samples against a real
# daemon.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
build=../../.build/clients-cpp

. ../need.sh

need cmake cmake
need g++ g++
need make make
need pkg-config pkg-config
need protoc protobuf-compiler
need grpc_cpp_plugin protobuf-compiler-grpc
pkg-config --exists grpc++ || die "gRPC's library is missing; install the Debian package libgrpc++-dev"

# CMake refuses a build folder that was copied from another place.
grep -qsx "CMAKE_HOME_DIRECTORY:INTERNAL=$PWD" "$build/CMakeCache.txt" || rm -rf "$build"
cmake -S . -B "$build" >/dev/null
cmake --build "$build" --parallel "$(nproc)" >/dev/null

../expect-output.sh "$build/basic" <<'END'
RATING_UP: Very helpful response!
RATING_DOWN: Too slow 🐌
1 of 2 are up, 50 %
variant B
END
../expect-output.sh "$build/errors" <<'END'
comment must be at most 10000 code points, has 10001
no such session
too late
the daemon is away: keep the feedback and its request_id, and try later
END
echo "clients/cpp: ok"
