"""Writes bitmap.h, a picture as a C array in flash, from an 8-bit binary PGM: `python bitmap.py PICTURE.pgm bitmap.h`."""

from __future__ import annotations

import re
import sys
from pathlib import Path


def header(pgm: bytes, name: str) -> str:
    """The C header with the pixels of a PGM."""
    match = re.match(rb"P5\s+(\d+)\s+(\d+)\s+255\s", pgm)
    if match is None:
        raise SystemExit(f"error: {name} is not a binary PGM of 8 bits")
    width, height = int(match[1]), int(match[2])
    pixels = pgm[match.end() :][: width * height]
    rows = (", ".join(map(str, pixels[row * width : (row + 1) * width])) for row in range(height))
    lines = ",\n    ".join(rows)
    head = f"/* {name}: {width}x{height}, 8 bits. */\n#include <stdint.h>\n\n"
    return f"{head}static const uint8_t bitmap[{width * height}] = {{\n    {lines}}};\n"


if __name__ == "__main__":
    source, target = map(Path, sys.argv[1:])
    target.write_text(header(source.read_bytes(), source.name))
