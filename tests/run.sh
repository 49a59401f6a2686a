#!/usr/bin/env bash
# Sets up a fresh Debian or Ubuntu machine and runs the tests; arguments go to pytest (--slow runs everything).
set -euo pipefail
cd "$(dirname "$0")/.."
python=$(command -v python3 || true)
venv=()
[ -n "$python" ] && python3 -c 'import ensurepip' 2>/dev/null || venv=(python3 python3-venv)
. tests/setup.sh dev "${venv[@]}" gcc g++ libc6-dev clang qemu-system-arm gcc-arm-none-eabi libnewlib-arm-none-eabi \
    make cmake gcc-avr avr-libc arduino-core-avr
.venv/bin/ruff check --quiet .
.venv/bin/mypy --no-error-summary
exec .venv/bin/python -m pytest -n "$(nproc)" "$@"
