"""What MkDocs makes while it builds the site: pages from --help, from the operators' rules, and from benchmarks/."""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[1]
DOCS, BENCHMARKS = ROOT / "docs", ROOT / "benchmarks"


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the pages that are not written by hand."""
    for path, text in _generated():
        files.append(File.generated(config, path, content=text))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Links out of docs/ lead to the pages of benchmarks/, and are plain words where the site has no such page."""
    source = (ROOT if page.file.src_uri.startswith("benchmarks/") else DOCS) / page.file.src_uri
    tables = {"measured": "\n".join(_measured()), "tinyengine": "\n".join(_tinyengine()), "in3": _least("mcunet_in3_320kb")}
    for name, text in tables.items():
        markdown = markdown.replace(f"<!-- {name} -->", text)

    def link(found: re.Match[str]) -> str:
        words, target = found[1], (source.parent / found[2]).resolve()
        if target.is_relative_to(DOCS):
            return found[0]
        target = target / "RESULTS.md" if target.is_dir() else target
        if not target.is_relative_to(BENCHMARKS) or target.suffix != ".md" or not target.exists():
            return words
        return f"[{words}]({'../' * len(Path(page.file.src_uri).parent.parts)}benchmarks/{target.relative_to(BENCHMARKS)})"

    return re.sub(r"\[([^]]*)\]\(([^)#:]+)\)", link, markdown)


def _generated() -> Iterator[tuple[str, str]]:
    yield "reference/cli.md", "\n".join(_commands())
    yield "reference/operators.md", "\n".join(_operators())
    yield "reference/targets.md", "\n".join(_targets())
    yield "reference/json.md", "\n".join(_schemas())
    yield "extend.md", (ROOT / "CONTRIBUTING.md").read_text().replace("](docs/", "](")
    yield "changelog.md", (ROOT / "CHANGELOG.md").read_text()
    results = sorted(BENCHMARKS.glob("*/*.md"))
    yield "benchmarks/index.md", "\n".join(_benchmarks(results))
    for path in results:
        yield f"benchmarks/{path.relative_to(BENCHMARKS)}", path.read_text()


def _commands() -> Iterator[str]:
    from tflm_mcunet.cli import make_parser

    parser, commands = make_parser()
    yield "# Commands\n"
    yield "What `--help` prints. Status 0 is success, 1 a difference from TFLM, 2 bad input with one line that says so.\n"
    for name, command in {"tflm-mcunet": parser, **commands}.items():
        command.formatter_class = partial(argparse.HelpFormatter, width=100, max_help_position=30)
        yield f"## {name}\n\n```text\n{command.format_help().strip()}\n```\n"


def _operators() -> Iterator[str]:
    from tflm_mcunet.operators import OPERATORS
    from tflm_mcunet.operators.base import rules

    yield f"# Operators\n\n{len(OPERATORS)} operators of TensorFlow Lite, and what must hold for each."
    yield "A model that breaks a rule is refused with it.\n"
    for kind, operator in OPERATORS.items():
        yield f"## {kind}\n"
        yield from (f"- {rule.replace('<', '&lt;').replace('*', chr(92) + '*')}" for rule in rules(operator))
        yield ""


def _targets() -> Iterator[str]:
    from tflm_mcunet import targets

    yield "# Boards and cores\n"
    yield "Bytes of all SRAM banks, of what one arena may have (the largest run of adjacent banks but what stack, heap and"
    yield "runtime need), and of flash.\n"
    yield "| target | core | SRAM | for an arena | flash | exports | |\n|---|---|---:|---:|---:|---|---|"
    for board in map(targets.load, targets.names()):
        sizes = (board.sram_bytes, board.arena_bytes, board.flash_bytes)
        figures = " | ".join("" if size is None else f"{size:,}" for size in sizes)
        yield f"| `{board.name}` | {board.core} | {figures} | {', '.join(board.exports)} | {board.description} |"


def _schemas() -> Iterator[str]:
    yield "# JSON\n\nEvery command takes `--json` and then prints one object. These are the schemas (JSON Schema 2020-12);"
    yield "tests hold the commands to them.\n"
    for path in sorted((DOCS / "schemas").glob("*.json")):
        schema = json.loads(path.read_text())
        yield f"- [{path.stem.removesuffix('.schema')}](../schemas/{path.name}): {schema['title']}"


def _benchmarks(results: list[Path]) -> Iterator[str]:
    """An index of all results, and the main table as bars."""
    yield "# Benchmarks\n"
    yield "Everything here is measured by a script of `benchmarks/`, named on the page. An emulator counts instructions;"
    yield "it knows no time.\n"
    yield from _whole_models()
    yield "\n## All results\n"
    for path in results:
        title = path.read_text().split("\n", 1)[0].lstrip("# ")
        yield f"- [{title}]({path.relative_to(BENCHMARKS)})"


def _whole_models() -> Iterator[str]:
    """Instructions on a Cortex-M7 as shares of those of TFLM with CMSIS-NN."""
    yield "## Whole networks\n"
    yield "Executed instructions of one inference on an emulated Cortex-M7, as a share of those of TFLM with CMSIS-NN on the"
    yield "same model, core and input. [All cores, engines and how it is measured](models/RESULTS.md).\n"
    for model, ours, theirs in _pairs():
        yield _bar(model, ours["instructions"], theirs["instructions"])


def _measured() -> Iterator[str]:
    """Instructions and SRAM next to TFLM with CMSIS-NN, where both were measured."""
    engines = "TFLM + CMSIS-NN: instructions | arena | here, fastest: instructions | arena | here, least: image whole / pulled"
    yield f"| model | {engines} |"
    yield "|---|---:|---:|---:|---:|---:|"
    for model, ours, theirs in _pairs():
        figures = (theirs["instructions"], theirs["arena"], ours["instructions"], ours["arena"])
        yield f"| {model} | {' | '.join(f'{figure:,}' for figure in figures)} | {_least(model)} |"


def _tinyengine() -> Iterator[str]:
    """Instructions and SRAM of TinyEngine, where it runs; patches work for some models alone."""
    theirs = "as it is: instructions | made exact: instructions | SRAM layer by layer | in patches"
    yield f"| model | {theirs} | here, fastest: instructions | arena |"
    yield "|---|---:|---:|---:|---:|---:|---:|"
    found = _results()
    names = ("instructions_m7_inexact_float_requantise", "instructions_m7_exact_after_repairs", "sram_layer")
    for model, cores in found["models"].items():
        peer = _peer(found, model).get("tinyengine")
        if isinstance(peer, dict):
            ours = cores["cortex-m7"]
            figures = [peer.get(name) for name in (*names, "sram_best_working_patch_incl_image")]
            cells = ["" if figure is None else f"{figure:,}" for figure in (*figures, ours["instructions"], ours["arena"])]
            yield f"| {model} | {' | '.join(cells)} |"


def _least(model: str) -> str:
    """The least arenas of a model, with its image whole and pulled."""
    found = json.loads((BENCHMARKS / "sram" / "results.json").read_text()).get(model, {})
    return " / ".join(f"{found[way]['arena']:,}" for way in ("whole", "pulled") if way in found)


def _results() -> Any:
    return json.loads((BENCHMARKS / "models" / "results.json").read_text())


def _peer(found: Any, model: str) -> Any:
    """Other engines' figures for a model, with int8 edges."""
    return next((found["peers"][name] for name in (model, f"{model} (int8 I/O)") if name in found["peers"]), {})


def _pairs() -> Iterator[tuple[str, Any, Any]]:
    """Models that ran on a Cortex-M7 here and with TFLM and CMSIS-NN, and the figures of both."""
    found = _results()
    for model, cores in found["models"].items():
        theirs = _peer(found, model).get("cortex-m7", {}).get("tflm_cmsis_nn")
        if theirs:
            yield model, cores["cortex-m7"], theirs


def _bar(model: str, ours: int, theirs: int) -> str:
    share = 100 * ours / theirs
    style = "display:inline-block;height:0.8em;border-radius:3px;background:"
    widths = ((share / 2, "#0072b2"), (50 - share / 2, "#8884"))
    bar = "".join(f'<span style="{style}{colour};width:{width:.1f}%"></span>' for width, colour in widths)
    figures = f"<small>{ours:,} of {theirs:,}: {share:.0f}%</small>"
    return f'<div style="white-space:nowrap"><code>{model}</code><br>{bar} {figures}</div>\n'
