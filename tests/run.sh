#!/usr/bin/env bash
# Sets up a fresh Debian or Ubuntu machine and runs the tests; arguments go to pytest (--slow runs everything).
set -euo pipefail
cd "$(dirname "$0")/.."
python=$(command -v python3 || true)
venv=()
[ -n "$python" ] && python3 -c 'import ensurepip' 2>/dev/null || venv=(python3 python3-venv)
. tests/setup.sh dev "${venv[@]}" gcc g++ libc6-dev clang qemu-system-arm gcc-arm-none-eabi libnewlib-arm-none-eabi make cmake chromium fonts-dejavu-core
# Tools of Arduino, for the tests of that export, where the distribution still has them.
arduino=()
for package in arduino-core-avr arduino-builder simavr; do
    ! apt-cache show "$package" >/dev/null 2>&1 || arduino+=("$package")
done
. tests/setup.sh dev "${arduino[@]}"
.venv/bin/ruff check --quiet .
.venv/bin/mypy --no-error-summary
exec .venv/bin/python -m pytest -n "$(nproc)" "$@"
