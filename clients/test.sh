#!/usr/bin/env bash
# Tests the clients of all languages against the daemon, one after the other.
#
# FEEDBACKD_PROGRAM names another daemon than the repository's release build. A language whose tools
# are missing fails, and says which Debian package brings them.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

failed=()
for test in */test.sh; do
    language=${test%/test.sh}
    echo "== $language"
    "$test" || failed+=("$language")
    # Each folder is a package of its own, and is given away as one.
    cmp ../LICENSE "$language/LICENSE" || failed+=("$language's LICENSE")
done
if [ ${#failed[@]} -gt 0 ]; then
    echo "clients/test.sh: failed: ${failed[*]}" >&2
    exit 1
fi
