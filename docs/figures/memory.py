"""Draws memory.svg, the memory of MobileNetV2 block by block, and writes its numbers into the table of ../memory.md.

pip install '.[plot]'
python docs/figures/memory.py
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np

matplotlib.use("svg")
from matplotlib import pyplot

from patch_scheduler import Network, live_bytes, schedule, streamed
from patch_scheduler.architecture import Architecture, mobilenet_v2
from patch_scheduler.batch.blocks import groups
from patch_scheduler.batch.layers import block_peaks
from patch_scheduler.batch.patches import GRIDS, patches, peaks_by_slot
from patch_scheduler.cuts import StagePeaks, cheapest, least_peak

HERE = Path(__file__).parent
PAGE = HERE.parent / "memory.md"
KIB = 1024
MACS = 1.15  # times the network's: the paper's patches execute 1.10
SERIES = {
    "maps": ("layer by layer, whole maps", "#c9ccd1"),
    "layers": ("layer by layer, rows die as they are read", "#8d939b"),
    "patched": ("MCUNetV2's patches, image in bands", "#e08a3c"),
    "streamed": ("streamed, image whole", "#5b9bd5"),
    "pulled": ("streamed, image pulled", "#1f5c99"),
}


def blocks_of(candidate: Architecture, pull: bool) -> list[int]:
    """Per operator its block: 0 the first convolution, then the bottlenecks, then the head."""
    channels, found = candidate.stem.channels, [0] * (1 + pull)
    for index, block in enumerate(candidate.blocks, 1):
        found += [index] * (2 + (block.expansion > 1) + block.adds(channels))
        channels = block.channels
    return [*found, *[len(candidate.blocks) + 1] * (2 + (candidate.head > 0))]


def whole_maps(network: Network, blocks: Sequence[int]) -> list[int]:
    """As the paper counts: whole maps that an operator reads, writes or that are needed later; depthwise ones in place."""
    found = [0] * (max(blocks) + 1)
    last = {read.tensor: index for index, op in enumerate(network.operators) for read in op.reads}
    alive = set(network.inputs)
    for index, (operator, block) in enumerate(zip(network.operators, blocks, strict=True)):
        in_place = operator.name.startswith(("add", "dw"))
        alive |= set() if in_place else {write.tensor for write in operator.writes}
        found[block] = max(found[block], sum(network.tensors[tensor].size for tensor in alive))
        alive |= {write.tensor for write in operator.writes}
        alive -= {tensor for tensor in alive if last.get(tensor, len(blocks)) <= index}
    return found


def stream(network: Network, blocks: Sequence[int]) -> list[int]:
    """The most bytes that live while an operator of each block runs, all stages as small as they get."""
    peak = StagePeaks(network).peak
    least = least_peak(peak)
    found = streamed(network, cheapest(peak, (peak / least) ** 4, least), (1,) * len(network.operators))
    live, owner = live_bytes(network, found), np.array([blocks[event.operator] for event in found.events])
    return [int(live[owner == block].max()) for block in range(max(blocks) + 1)]


def patched(candidate: Architecture) -> tuple[list[int], int, int, float]:
    """Bytes per block, patches per axis, blocks in patches, and the MACs' ratio: the least peak within MACS."""
    (group,) = groups([candidate], 1)
    found = patches(group)
    peak = np.where(found.macs <= MACS * group.macs, found.pulled, found.pulled.max())[:, :, 0]
    depth, grid = np.unravel_index(peak.argmin(), peak.shape)
    bytes_ = peaks_by_slot(group, int(depth) + 1, int(grid))[:, 0]
    return bytes_.tolist(), GRIDS[grid], int(depth), float(found.macs[depth, grid, 0] / group.macs[0])


def numbers(candidate: Architecture) -> tuple[dict[str, list[int]], dict[str, int], str]:
    """Bytes per block and arena of every series, and what the patches are."""
    whole, pulled = candidate.network(), candidate.network(pull=True)
    (group,) = groups([candidate], 1)
    patch, grid, depth, macs = patched(candidate)
    owner = blocks_of(candidate, False)
    bytes_ = {
        "maps": whole_maps(whole, owner),
        "layers": block_peaks(group)[:, 0].tolist(),
        "patched": patch,
        "streamed": stream(whole, owner),
        "pulled": stream(pulled, blocks_of(candidate, True)),
    }
    arenas = {
        "layers": schedule(whole, mode="layer", minimize="sram")[1].arena,
        "streamed": schedule(whole, mode="stream", minimize="sram")[1].arena,
        "pulled": schedule(pulled, mode="stream", minimize="sram")[1].arena,
    }
    return bytes_, arenas, f"{grid} x {grid} patches of the first convolution and {depth} blocks, {macs:.2f} times the MACs"


def draw(bytes_: dict[str, list[int]], names: Sequence[str]) -> None:
    """Two panels: everything, and what is left of it."""
    pyplot.rcParams.update({"svg.hashsalt": "memory", "svg.fonttype": "none", "font.family": "sans-serif", "font.size": 9})
    figure, panels = pyplot.subplots(2, 1, figsize=(10, 6.4), sharex=True, layout="constrained")
    place, width = np.arange(len(names)), 0.17
    for panel, highest in zip(panels, (1450, 250), strict=True):
        for index, (name, (label, colour)) in enumerate(SERIES.items()):
            heights = np.array(bytes_[name]) / KIB
            panel.bar(place + (index - 2) * width, heights, width, color=colour, label=label)
        panel.set_ylim(0, highest)
        panel.set_ylabel("KiB")
        panel.spines[["top", "right"]].set_visible(False)
        panel.grid(axis="y", linewidth=0.4)
        panel.set_axisbelow(True)
    panels[0].set_title("MobileNetV2, 224 x 224, int8: bytes alive while each block runs", loc="left")
    panels[0].legend(frameon=False, loc="upper right")
    panels[1].set_title("the same, up to 250 KiB", loc="left")
    panels[1].set_xticks(place, names)
    panels[1].set_xlabel("block")
    figure.savefig(HERE / "memory.svg", metadata={"Date": None, "Creator": None})


def table(bytes_: dict[str, list[int]], arenas: dict[str, int], what: str, names: Sequence[str]) -> str:
    """Markdown."""
    rows = [["block", *(label for label, _ in SERIES.values())], ["---"] * (len(SERIES) + 1)]
    rows += [[name, *(f"{bytes_[key][index]:,}" for key in SERIES)] for index, name in enumerate(names)]
    most = {key: max(bytes_[key]) for key in SERIES}
    rows += [["**most**", *(f"**{most[key]:,}**" for key in SERIES)]]
    rows += [["smaller by", *(f"{most['maps'] / most[key]:.1f} times" for key in SERIES)]]
    rows += [["arena planned", *(f"{arenas[key]:,}" if key in arenas else "" for key in SERIES)]]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows) + f"\n\nPatches: {what}.\n"


def main() -> Any:
    """Draws, and brings the page up to date."""
    candidate = mobilenet_v2()
    names = ["conv", *map(str, range(1, len(candidate.blocks) + 1)), "head"]
    bytes_, arenas, what = numbers(candidate)
    draw(bytes_, names)
    before, rest = PAGE.read_text().split("<!-- table -->\n")[::2]
    PAGE.write_text(f"{before}<!-- table -->\n{table(bytes_, arenas, what, names)}<!-- table -->\n{rest}")


if __name__ == "__main__":
    main()
