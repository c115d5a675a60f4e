#!/usr/bin/env bash
# Builds the Rust client and its samples out of Debian's packages, without a network, and tests them
# against a real daemon.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
build=$(realpath -m ../../.build/clients-rust)

. ../need.sh

need cargo cargo
compgen -G '/usr/share/cargo/registry/ttrpc-0.5.*' >/dev/null ||
    die "ttrpc's library is missing; install the Debian package librust-ttrpc-dev"
[ -f /usr/include/google/protobuf/struct.proto ] ||
    die "protobuf's own .proto files are missing; install the Debian package libprotobuf-dev"

export CARGO_TARGET_DIR=$build RUSTFLAGS='-D warnings'
[ -z "${FEEDBACKD_PROGRAM:-}" ] || FEEDBACKD_PROGRAM=$(realpath "$FEEDBACKD_PROGRAM")
cargo test --offline --quiet
cargo build --offline --quiet --examples

../expect-output.sh "$build/debug/examples/basic" <<'END'
RATING_UP: Very helpful response!
RATING_DOWN: Too slow 🐌
1 of 2 are up, 50 %
variant B
END
../expect-output.sh "$build/debug/examples/errors" <<'END'
INVALID_ARGUMENT, comment must be at most 10000 code points, has 10001
no such session
too late
the daemon is away: keep the feedback and its request_id, and try later
END
echo "clients/rust: ok"
