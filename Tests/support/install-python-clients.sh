#!/usr/bin/env bash
# Installs the gRPC clients that come from PyPI into .build/venv-grpc.
exec "$(dirname "${BASH_SOURCE[0]}")/make-venv.sh" \
    Tests/IntegrationTests/python/requirements.txt .build/venv-grpc
