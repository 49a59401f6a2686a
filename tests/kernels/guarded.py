"""Models whose arena is spread out, every row and every scratch between guards that a kernel must not touch."""

from __future__ import annotations

from pathlib import Path

from patch_scheduler import Plan, Schedule, layer_by_layer
from tests.oracle import types
from tflm_mcunet.codegen.emit import emit
from tflm_mcunet.compiler import Program
from tflm_mcunet.execute.generated import Generated

GUARD = 16
POISON = 0xA5

WRAPPER = """
#define {upper}_EXTERNAL_ARENA
#include "{prefix}.c"
#include "guarded.h"

/* Under AddressSanitizer guards may not even be read. */
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(address, bytes)
#define ASAN_UNPOISON_MEMORY_REGION(address, bytes)
#endif

/* Inputs, outputs, rows and scratch lie at {{first, end}} of each line; no byte outside them may change. */
static const uint32_t used[][2] = {{
{used}
    {{{bytes}, {bytes}}}
}};
static MCU_ALIGNED(16) unsigned char arena[{bytes}];

void *guarded_input(int index)
{{
    static int started;
    if (!started) {{
        started = 1;
        memset(arena, {poison}, sizeof arena);
        {prefix}_set_arena(arena);
    }}
    return {prefix}_input(index);
}}

int guarded_invoke(void)
{{
    uint32_t at = 0, next;
    int result;
    for (next = 0; next == 0 || used[next - 1][0] < sizeof arena; ++next) {{
        ASAN_POISON_MEMORY_REGION(arena + at, used[next][0] - at);
        at = used[next][1];
    }}
    result = {prefix}_invoke();
    ASAN_UNPOISON_MEMORY_REGION(arena, sizeof arena);
    at = next = 0;
    for (;; ++next) {{
        for (; at < used[next][0]; ++at) {{
            if (arena[at] != {poison}) {{
                return -2;
            }}
        }}
        if (used[next][0] == sizeof arena) {{
            return result;
        }}
        at = used[next][1];
    }}
}}

const void *guarded_output(int index)
{{
    return {prefix}_output(index);
}}
"""


def spread(program: Program, schedule: Schedule) -> tuple[Plan, list[tuple[int, int]]]:
    """A plan with everything apart, and what lies where. Rows are scattered where kernels reach them one by one."""
    network = program.lowered.network
    dense = {access.tensor for op in network.operators for access in (*op.reads, *op.writes) if access.dense}
    used: list[tuple[int, int]] = []
    end = GUARD

    def place(size: int, alignment: int) -> int:
        nonlocal end
        # An odd multiple of the alignment: what is aligned no better must not be taken for it.
        offset = -(-end // (2 * alignment)) * 2 * alignment + alignment
        used.append((offset, offset + size))
        end = offset + size + GUARD
        return offset

    offsets, rows = [], {}
    for index, tensor in enumerate(network.tensors):
        scattered = index not in dense and tensor.rows > 1 and index not in (*network.inputs, *network.outputs)
        if scattered:
            rows[index] = tuple(place(tensor.row_bytes, tensor.alignment) for _ in range(tensor.rows))
        offsets.append(rows[index][0] if scattered else place(tensor.rows * tensor.row_bytes, tensor.alignment))
    scratch = {}
    for index, op in enumerate(network.operators):
        size = op.scratch + op.scratch_per_step * schedule.block[index]
        if size:
            scratch[index] = place(size, 8)
    state = {index: place(op.state, 8) for index, op in enumerate(network.operators) if op.state}
    return Plan(tuple(offsets), scratch, state, end, end, False, rows), used


def write_guarded(program: Program, folder: Path, steps: int = 1 << 15) -> Generated:
    """Writes the program, spread out, as a model called `guarded` whose invoke fails where a guard was written to.

    Its operators run one after the other, in blocks of at most `steps` steps.
    """
    network = program.lowered.network
    blocks = tuple(min(steps, op.steps) for op in network.operators)
    schedule = layer_by_layer(network, blocks, (False,) * len(blocks))
    plan, used = spread(program, schedule)
    emission = emit(program.graph, program.lowered, schedule, plan, program.prefix, {})
    for name, text in emission.files.items():
        (folder / (name.replace(".c", ".c.h") if name.endswith(".c") else name)).write_text(text)
    prefix = program.prefix
    header = emission.files[f"{prefix}.h"]
    (folder / "guarded.h").write_text(
        f'#include "{prefix}.h"\n'
        + "void *guarded_input(int index);\nint guarded_invoke(void);\nconst void *guarded_output(int index);\n"
        + "".join(
            line.replace(prefix.upper(), "GUARDED") + "\n"
            for line in header.splitlines()
            if line.startswith("#define") and ("PUT" in line or "ARENA_BYTES" in line)
        )
    )
    text = WRAPPER.format(
        prefix=prefix,
        upper=prefix.upper(),
        poison=f"0x{POISON:x}",
        bytes=plan.arena,
        used="\n".join(f"    {{{first}, {last}}}," for first, last in sorted(used)),
    )
    (folder / "guarded.c").write_text(text.replace(f'"{prefix}.c"', f'"{prefix}.c.h"'))
    return Generated(folder, "guarded", types(program.graph.inputs), types(program.graph.outputs))
