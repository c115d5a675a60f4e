#!/usr/bin/env bash
# Fails if feedback.v1 has changed in a way that breaks programs which use it: a message, field, method
# or enum value that is gone, or has another number, name or type. Proto/feedback-v1.binpb is the API
# that the .proto files are compared with.
#
#   Proto/check-breaking.sh             writes nothing; fails too if that file lacks an addition
#   Proto/check-breaking.sh --update    takes additions into it, if nothing breaks
#
# The .proto files outside of feedback/v1 are not ours.
#
# Needs buf, which Tests/support/install-python-clients.sh puts into .build/venv-grpc.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

buf=.build/venv-grpc/bin/buf
contract=Proto/feedback-v1.binpb
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export BUF_CACHE_DIR=$work/cache

[ -x "$buf" ] || {
    echo "$0: $buf is missing: run Tests/support/install-python-clients.sh" >&2
    exit 1
}

# breaks FOLDER: true, with the reasons, if the .proto files of the folder break the contract.
breaks() {
    ! "$buf" breaking "$1" --exclude-imports --against "$contract"
}

# A guard that lets everything pass would be none.
# must_break SED_SCRIPT FILE
must_break() {
    cp -r Proto "$work/changed"
    sed -i "$1" "$work/changed/feedback/v1/$2"
    if cmp -s "Proto/feedback/v1/$2" "$work/changed/feedback/v1/$2"; then
        echo "$0: $2 has no place for $1" >&2
        exit 1
    fi
    if breaks "$work/changed" >"$work/reasons"; then
        # The .proto files are still read, and it is the contract that they break.
        grep -q 'feedback/v1/.*\(deleted\|changed\)' "$work/reasons" || {
            cat "$work/reasons" >&2
            exit 1
        }
    else
        echo "$0: buf does not see that $1 breaks $2" >&2
        exit 1
    fi
    rm -r "$work/changed"
}

if breaks Proto; then
    echo "the .proto files break the contract" >&2
    exit 1
fi
"$buf" build Proto --exclude-source-info --path Proto/feedback/v1 \
    -o "$work/now.binpb"

if [ "${1:-}" = --update ]; then
    cp "$work/now.binpb" "$contract"
elif ! cmp -s "$work/now.binpb" "$contract"; then
    echo "$contract lacks what was added to the API: run $0 --update" >&2
    exit 1
else
    must_break 's/  string key = 12;/  string key = 112;/' feedback.proto
    must_break 's/  string key = 12;/  bytes key = 12;/' feedback.proto
    must_break 's/ RATING_DOWN = 2;/ RATING_WORSE = 2;/' feedback.proto
    must_break '/ rpc GetSession(/d' session.proto
    echo "the API breaks nothing"
fi
