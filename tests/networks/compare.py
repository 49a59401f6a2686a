"""Runs many networks, ours and TFLM's, and says of each how many bytes differ, from which operator on, or what went wrong."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tests.networks.expose import computed, expose, producer
from tests.oracle import Sample, on_host, random_samples
from tflm_mcunet.compiler import Program, build
from tflm_mcunet.errors import Error
from tflm_mcunet.execute.build import HOST_FLAGS, BuildError, host_compiler
from tflm_mcunet.execute.sanitize import FLAGS
from tflm_mcunet.execute.tflm import Tflm
from tflm_mcunet.options import Options


@dataclass(frozen=True)
class Outcome:
    """What became of one network: output bytes compared and differing, and why nothing could be compared, if so."""

    compared: int = 0
    differing: int = 0
    problem: str = ""

    @property
    def good(self) -> bool:
        return not self.differing and not self.problem


OPTIONS = (
    Options(),
    Options(minimize="sram"),
    Options(sram=1 << 24),
    Options(schedule="stream", minimize="sram"),
    Options(schedule="layer", minimize="sram"),
    Options(minimize="sram", macs_budget=4.0),
)
"""How networks are compiled, in turn: layers and streams, row by row or in long blocks, some computed twice."""


def compare(
    models: Sequence[bytes], oracle: Tflm, samples: int = 3, seed: int = 0, options: Sequence[Options] = OPTIONS
) -> list[Outcome]:
    """One outcome per model, compiled with the options in turn. All that compile are in one C compilation."""
    programs, outcomes = {}, {}
    for index, model in enumerate(models):
        try:
            programs[index] = build(model, f"m{index}.tflite", options[index % len(options)])
        except Exception as error:  # a crash of the compiler is an outcome too
            outcomes[index] = Outcome(problem=f"{type(error).__name__}: {error}")
    batches = {i: random_samples(p.graph.inputs, samples, seed + i) for i, p in programs.items()}
    results = {index: _attempt(lambda i=index: oracle.run(models[i], batches[i])) for index in programs}  # type: ignore[misc]
    for index, ours in _run(programs, batches).items():
        theirs = results[index]
        problem = next((found for found in (ours, theirs) if isinstance(found, str)), "")
        if problem:
            outcomes[index] = Outcome(problem=problem)
            continue
        pairs = [pair for o, t in zip(ours, theirs, strict=True) for pair in zip(o, t.outputs, strict=True)]
        outcomes[index] = Outcome(sum(a.nbytes for a, _ in pairs), sum(differing(*pair) for pair in pairs))
    for index, outcome in outcomes.items():
        if outcome.differing:
            where = first_difference(models[index], batches[index], oracle)
            outcomes[index] = Outcome(outcome.compared, outcome.differing, where)
    return [outcomes[index] for index in range(len(models))]


def _attempt(function: Callable[[], Any]) -> Any:
    """What the function returns, or its error as text."""
    try:
        return function()
    except Error as error:
        return f"{type(error).__name__}: {error}"


def _run(programs: Mapping[int, Program], batches: Mapping[int, list[Sample]]) -> dict[int, Any]:
    """Per program the outputs for each sample, or what went wrong; where the C of some does not compile, halves are tried."""
    indices = list(programs)
    try:
        with on_host(list(programs.values())) as compiled:
            return {i: _attempt(lambda i=i, c=c: [c.run(s) for s in batches[i]]) for i, c in zip(indices, compiled, strict=True)}
    except BuildError as error:
        if len(indices) <= 1:
            return dict.fromkeys(indices, f"BuildError: {error}")
    middle = len(indices) // 2
    halves = indices[:middle], indices[middle:]
    return {i: found for half in halves for i, found in _run({i: programs[i] for i in half}, batches).items()}


def differing(ours: np.ndarray, theirs: np.ndarray) -> int:
    """Bytes in which two arrays differ."""
    assert ours.dtype == theirs.dtype
    one, two = (np.ascontiguousarray(a).reshape(-1).view(np.uint8) for a in (ours, theirs))
    return int(np.count_nonzero(one != two))


def first_difference(model: bytes, samples: Sequence[Sample], oracle: Tflm) -> str:
    """The first operator whose output differs when all intermediate tensors are outputs."""
    variant = expose(model)
    theirs = oracle.run(variant, samples)
    with on_host([build(variant, "exposed.tflite")]) as (compiled,):
        ours = [compiled.run(sample) for sample in samples]
    for position, tensor in enumerate(computed(model)):
        counts = [differing(o[position], t.outputs[position]) for o, t in zip(ours, theirs, strict=True)]
        if any(counts):
            return f"first at {producer(model, tensor)}: {sum(counts)} of {ours[0][position].nbytes * len(samples)} bytes"
    return "only where intermediate tensors are not outputs: the schedule or the plan"


# ---- the generated C of a batch ----


@dataclass(frozen=True)
class Batch:
    """Generated C of many models in one folder, and `all_models.c` that includes them."""

    folder: Path
    programs: Sequence[Program]

    def compile(self, compiler: Sequence[str], source: Path, *flags: str) -> str:
        """Everything that the compiler says."""
        done = subprocess.run(
            [*compiler, *flags, f"-I{self.folder}", str(source)], capture_output=True, text=True, errors="replace", check=False
        )
        return done.stderr if done.returncode or done.stderr else ""


def write_batch(programs: Sequence[Program], folder: Path) -> Batch:
    for program in programs:
        for file, text in program.emission.files.items():
            (folder / file).write_text(text)
    (folder / "all_models.c").write_text("".join(f'#include "{p.prefix}.c"\n' for p in programs))
    (folder / "all_models.cc").write_text("".join(f'#include "{p.prefix}.h"\n' for p in programs))
    return Batch(folder, programs)


DRIVER = """
#include "all_models.c"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#define CHECK(condition) do {{ if (!(condition)) {{ fprintf(stderr, "driver: " #condition "\\n"); exit(3); }} }} while (0)
struct image {{
    const signed char *data; size_t row_bytes; int next, elsewhere;
}};
const signed char *next_row(void *context, int row, signed char *buffer);
const signed char *next_row(void *context, int row, signed char *buffer)
{{
    struct image *image = context;
    const signed char *data = image->data + (size_t)row * image->row_bytes;
    CHECK(row == image->next++);
    return image->elsewhere ? data : memcpy(buffer, data, image->row_bytes);
}}
{functions}
int main(void)
{{
    FILE *file = fopen("input.bin", "rb");
    CHECK(file);
    {calls}
    fclose(file);
    return 0;
}}
"""


def run_sanitized(programs: Sequence[Program], samples: int = 2, seed: int = 0) -> None:
    """Runs models in one program under AddressSanitizer and UndefinedBehaviorSanitizer; fails with the sanitizer's report.

    Each has an arena, and an image that it may pull, of its exact size from malloc.
    """
    with tempfile.TemporaryDirectory(prefix="tflm_mcunet_") as name:
        batch = write_batch(programs, Path(name))
        blob, body = bytearray(), []
        for index, program in enumerate(programs):
            batch_samples = random_samples(program.graph.inputs, samples, seed + index)
            blob += b"".join(value.tobytes() for sample in batch_samples for value in sample)
            body += _calls(program, samples)
        (batch.folder / "input.bin").write_bytes(blob)
        calls = "\n    ".join(f"run_{program.prefix}(file);" for program in programs)
        (batch.folder / "driver.c").write_text(DRIVER.format(functions="\n".join(body), calls=calls))
        external = [f"-D{p.prefix.upper()}_EXTERNAL_ARENA" for p in programs]
        flags = [*HOST_FLAGS, *FLAGS, *external, "-o", str(batch.folder / "driver"), "-lm"]
        assert not (said := batch.compile(host_compiler(), batch.folder / "driver.c", *flags)), said
        done = subprocess.run([batch.folder / "driver"], cwd=batch.folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr[-6000:]


def _calls(program: Program, samples: int) -> Iterator[str]:
    """C that runs one model on its samples in input.bin."""
    prefix, upper = program.prefix, program.prefix.upper()
    yield f"static void run_{prefix}(FILE *file)"
    yield "{"
    yield f"    unsigned char *arena = malloc({upper}_ARENA_BYTES);"
    yield "    unsigned sum = 0; int sample; size_t byte;"
    yield f"    {prefix}_set_arena(arena);"
    yield f"    for (sample = 0; sample < {samples}; ++sample) {{"
    pulled = program.options.input == "pull"
    for index in range(len(program.graph.inputs)):
        size, where = f"{upper}_INPUT_{index}_BYTES", f"{prefix}_input({index})"
        if pulled and not index:
            where = "data"
            yield f"        signed char *data = malloc({size});"
            yield f"        struct image image = {{data, {size} / {upper}_INPUT_0_ROWS, 0, sample % 2}};"
        yield f"        CHECK(fread({where}, 1, {size}, file) == {size});"
    if pulled:
        yield f"        CHECK({prefix}_invoke_rows(next_row, &image) == 0);"
        yield f"        CHECK(image.next == {upper}_INPUT_0_ROWS);"
        yield "        free(data);"
    else:
        yield f"        CHECK({prefix}_invoke() == 0);"
    for index in range(len(program.graph.outputs)):
        yield f"        for (byte = 0; byte < {upper}_OUTPUT_{index}_BYTES; ++byte) {{"
        yield f"            sum += ((const unsigned char *){prefix}_output({index}))[byte];"
        yield "        }"
    yield "    }"
    yield f'    printf("{prefix} %u\\n", sum);'
    yield "    free(arena);"
    yield "}"
