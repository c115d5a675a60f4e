#!/usr/bin/env bash
# Tests the Python client: its types, its wheel, and the whole of it against the real daemon.
#
#   test.sh [ARGUMENTS OF PYTEST...]
#
# FEEDBACKD_PROGRAM names the daemon; without it, it is the one that `make build` builds. Needs
# Debian's protobuf-compiler and python3-venv, and PyPI for what requirements-test.txt lists.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
FEEDBACKD_PROGRAM=$(realpath --no-symlinks "${FEEDBACKD_PROGRAM:-$root/.build/release/feedbackd}")
export FEEDBACKD_PROGRAM
cd "$root"

export PIP_DISABLE_PIP_VERSION_CHECK=1

[ -x "$FEEDBACKD_PROGRAM" ] || {
    echo "test.sh: there is no $FEEDBACKD_PROGRAM: run make build, or set FEEDBACKD_PROGRAM" >&2
    exit 1
}

"$here/make-environment.sh"
python=$root/.build/venv-clients-python/bin/python

"$here/generate.sh" --check

wheels=$(mktemp -d)
trap 'rm -rf "$wheels"' EXIT
"$python" -m pip wheel --quiet --no-deps --no-build-isolation --wheel-dir "$wheels" "$here"
"$python" -m pip install --quiet --no-deps --force-reinstall "$wheels"/feedbackd-*.whl

cd "$here"
"$python" -m mypy
"$python" -m mypy --strict samples tests/typed.py
"$python" -m pytest -p no:cacheprovider "$@"
