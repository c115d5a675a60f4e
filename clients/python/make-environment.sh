#!/usr/bin/env bash
# Installs what the tests and the benchmark of the Python client need from PyPI into
# .build/venv-clients-python.
exec "$(dirname "${BASH_SOURCE[0]}")/../../Tests/support/make-venv.sh" \
    clients/python/requirements-test.txt .build/venv-clients-python
