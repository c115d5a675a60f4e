#!/usr/bin/env bash
# Runs a sample beside a daemon of its own, with the socket as its last argument, and fails unless it
# succeeds and prints just what is on standard input.
#
#   expect-output.sh COMMAND... <EXPECTED
set -euo pipefail
want=$(cat)
got=$("$(dirname "${BASH_SOURCE[0]}")/with-daemon.sh" \
    sh -c '"$@" "$FEEDBACKD_SOCKET"' sh "$@" </dev/null) || {
    echo "$*: failed; it printed: $got" >&2
    exit 1
}
[ "$got" = "$want" ] || {
    printf '%s: expected\n%s\ngot\n%s\n' "$*" "$want" "$got" >&2
    exit 1
}
