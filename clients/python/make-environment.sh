#!/usr/bin/env bash
# Installs what the tests and the benchmark of the Python client need from PyPI into
# .build/venv-clients-python, unless these very versions are there already.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cd "$here/../.."

requirements=$here/requirements-test.txt
venv=.build/venv-clients-python
cmp -s "$requirements" "$venv/installed.txt" && exit 0

# Debian's python3 comes without the part that makes environments.
python3 -c 'import ensurepip' 2>/dev/null || Tests/support/install-packages.sh python3-venv
echo "installing clients/python/requirements-test.txt into $venv"
rm -rf "$venv"
python3 -m venv "$venv"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps \
    --requirement "$requirements"
cp "$requirements" "$venv/installed.txt"
