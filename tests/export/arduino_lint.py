"""The rules of arduino-lint for libraries, as far as they concern files: what the registry and the IDE refuse or warn about."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

REQUIRED = ("name", "version", "author", "maintainer", "sentence", "paragraph", "category", "url", "architectures")
OPTIONAL = ("depends", "dot_a_linkage", "includes", "precompiled", "ldflags", "license", "email")
CATEGORIES = (
    "Display",
    "Communication",
    "Signal Input/Output",
    "Sensors",
    "Device Control",
    "Timing",
    "Data Storage",
    "Data Processing",
    "Other",
)
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 _.\-]{0,62}")
SEMVER = re.compile(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?")
KEYWORD_KINDS = ("KEYWORD1", "KEYWORD2", "KEYWORD3", "LITERAL1", "LITERAL2")


def lint(library: Path) -> list[str]:
    """What is wrong with the library in this folder, one line per finding."""
    return [*_structure(library), *_properties(library), *_keywords(library), *_sketches(library)]


def _structure(library: Path) -> Iterator[str]:
    if not NAME.fullmatch(library.name):
        yield f"folder name {library.name}"
    names = {path.name for path in library.iterdir()}
    for wrong in names & {"example", "Examples", "extra", "Src", "SRC", ".development", "header", "includes"}:
        yield f"misplaced or misspelled {wrong}"
    if not {"src", "library.properties", "README.md", "LICENSE.txt"} <= names:
        yield "src, library.properties, readme or licence missing"
    if "utility" in names:
        yield "utility beside src"
    for path in library.rglob("*"):
        if path.is_symlink() or path.suffix in (".exe", ".pde") or path.name in (".gitmodules", "Thumbs.db"):
            yield f"not allowed: {path.name}"
    if any(library.glob("*.c")) or any(library.glob("*.cpp")):
        yield "sources outside src"


def _fields(library: Path) -> list[tuple[str, str]]:
    lines = (library / "library.properties").read_text().splitlines()
    pairs = [line.partition("=") for line in lines if line and not line.startswith("#")]
    return [(key, value) for key, _, value in pairs]


def _properties(library: Path) -> Iterator[str]:
    pairs = _fields(library)
    fields = dict(pairs)
    if len(pairs) != len(fields):
        yield "a field is repeated"
    yield from (f"{key} missing" for key in REQUIRED if not fields.get(key))
    yield from (f"{key} unknown" for key in fields if key not in REQUIRED + OPTIONAL)
    yield from (f"{key} has spaces around it" for key, value in pairs if value != value.strip() or key != key.strip())
    name = fields.get("name", "")
    if not NAME.fullmatch(name) or name.lower().startswith("arduino") or " " in name:
        yield f"name {name}"
    if not SEMVER.fullmatch(fields.get("version", "")):
        yield "version is not semantic"
    for person in ("author", "maintainer"):
        if fields.get(person, "").lower().startswith("arduino"):
            yield f"{person} may not be Arduino"
    if fields.get("category") not in CATEGORIES:
        yield "category"
    if not re.fullmatch(r"https?://[\w.-]+(/\S*)?", fields.get("url", "")):
        yield "url"
    if fields.get("paragraph", "").startswith(fields.get("sentence", "")):
        yield "paragraph repeats sentence"
    if not fields.get("sentence", "").endswith("."):
        yield "sentence is none"
    for header in fields.get("includes", "").split(","):
        if not (library / "src" / header.strip()).is_file():
            yield f"includes {header}"


def _keywords(library: Path) -> Iterator[str]:
    for line in (library / "keywords.txt").read_text().splitlines():
        if not re.fullmatch(rf"\w+\t({'|'.join(KEYWORD_KINDS)})", line):
            yield f"keywords.txt: {line}"


def _sketches(library: Path) -> Iterator[str]:
    folders = list((library / "examples").iterdir())
    if not folders:
        yield "no example"
    for folder in folders:
        if not NAME.fullmatch(folder.name) or not (folder / f"{folder.name}.ino").is_file():
            yield f"sketch {folder.name}"
