#!/usr/bin/env bash
# Installs the gRPC clients that come from PyPI into .build/venv-grpc, unless these very versions
# are there already.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

requirements=Tests/IntegrationTests/python/requirements.txt
venv=.build/venv-grpc
cmp -s "$requirements" "$venv/installed.txt" && exit 0

# Debian's python3 comes without the part that makes environments.
python3 -c 'import ensurepip' 2>/dev/null || Tests/support/install-packages.sh python3-venv
echo "installing $requirements into $venv"
rm -rf "$venv"
python3 -m venv "$venv"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps \
    --requirement "$requirements"
cp "$requirements" "$venv/installed.txt"
