#!/usr/bin/env bash
# Compiles a bundled network for a board, runs it on an emulated core on a bundled picture and shows the answer.
set -euo pipefail
cd "$(dirname "$0")/.."
venv=()
python3 -c 'import ensurepip' 2>/dev/null || venv=(python3 python3-venv)
. tests/setup.sh verify "${venv[@]}" gcc libc6-dev qemu-system-arm gcc-arm-none-eabi libnewlib-arm-none-eabi
exec .venv/bin/python examples/demo.py "$@"
