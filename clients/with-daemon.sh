#!/usr/bin/env bash
# Runs a command beside a daemon of its own, which it starts in a temporary folder and stops after.
#
#   with-daemon.sh COMMAND...    the command finds the socket's path in FEEDBACKD_SOCKET
#
# FEEDBACKD_PROGRAM names another daemon than the repository's release build.
set -euo pipefail

program=${FEEDBACKD_PROGRAM:-$(dirname "${BASH_SOURCE[0]}")/../.build/release/feedbackd}
[ -f "$program" ] && [ -x "$program" ] || {
    echo "with-daemon.sh: there is no daemon at $program: run \"make build\"" >&2
    exit 1
}

folder=$(mktemp -d)
touch "$folder/log"
"$program" --socket "$folder/socket" --store "sqlite:$folder/feedback.db" 2>"$folder/log" &
daemon=$!
stop() {
    status=$?
    kill "$daemon" 2>/dev/null || true
    if ! wait "$daemon"; then
        echo "with-daemon.sh: the daemon failed:" >&2
        cat "$folder/log" >&2
        [ "$status" -ne 0 ] || status=1
    fi
    rm -rf "$folder"
    exit "$status"
}
trap stop EXIT

until grep -q 'feedbackd: listening on' "$folder/log"; do
    kill -0 "$daemon" 2>/dev/null || exit 1
    sleep 0.01
done
FEEDBACKD_SOCKET=$folder/socket "$@"
