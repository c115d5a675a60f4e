#!/usr/bin/env bash
# Runs the Ruby samples against a real daemon, with Debian's packages.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
build=../../.build/clients-ruby

. ../need.sh

need ruby ruby
need protoc protobuf-compiler
need grpc_ruby_plugin protobuf-compiler-grpc
ruby -e 'require "grpc"' 2>/dev/null ||
    die "gRPC's library is missing; install the Debian package ruby-grpc"

rm -rf "$build"
./generate.sh "$build"
../expect-output.sh ruby -I "$build" samples/basic.rb <<'END'
RATING_UP: Very helpful response!
RATING_DOWN: Too slow 🐌
1 of 2 are up, 50 %
variant B
END
../expect-output.sh ruby -I "$build" samples/errors.rb <<'END'
comment must be at most 10000 code points, has 10001
no such session
too late
the daemon is away: keep the feedback and its request_id, and try later
END
echo "clients/ruby: ok"
