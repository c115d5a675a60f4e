#!/usr/bin/env bash
# Installs the packages of a requirements file, and nothing else, into a virtual environment of
# Python, unless these very versions are there already.
#
#   make-venv.sh REQUIREMENTS VENV     paths from the repository's folder
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

requirements=$1
venv=$2
cmp -s "$requirements" "$venv/installed.txt" && exit 0

# Debian's python3 comes without the part that makes environments.
python3 -c 'import ensurepip' 2>/dev/null || Tests/support/install-packages.sh python3-venv
echo "installing $requirements into $venv"
rm -rf "$venv"
python3 -m venv "$venv"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps \
    --requirement "$requirements"
cp "$requirements" "$venv/installed.txt"
