"""What firmware may ask for does what its guide says, and default code holds none of it."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

import tflm_mcunet
from tests.build import ModelBuilder
from tests.export.projects import STUBS, answer, needs_cross, needs_qemu, ramp, run, small
from tests.export.test_run import stm32_run
from tests.models import small_network
from tests.rewrite.from_source import ROOTS, include_flags, missing, named
from tflm_mcunet.codegen.emit import kernel_folder
from tflm_mcunet.compiled import Compiled
from tflm_mcunet.errors import Error

SHARED = Path(__file__).parents[3] / "shared" / "models"
HOST = ("cc", "-std=c99", "-O1", "-Wall", "-Wextra", "-Werror", "-fsanitize=undefined", "-fno-sanitize-recover")
needs_host = pytest.mark.skipif(shutil.which("cc") is None, reason="a host compiler is missing")


def host(folder: Path, program: str, *flags: str) -> str:
    """What a C program prints that is built with all sources in `folder`."""
    (folder / "program.c").write_text("#include <stdio.h>\n#include <string.h>\n" + program)
    run([*HOST, *flags, f"-I{folder}", *sorted(folder.glob("*.c")), "-lm", "-o", folder / "program"])
    return run([folder / "program"])


def test_default_code_holds_none_of_it(tmp_path):
    compiled = small(None, tmp_path)
    text = "".join(compiled.files.values()).lower()
    assert not [
        word
        for word in ("yield", "hook", "tiny_next", "taken", "profile", "tiny_weights", "camera", "self_test", "interpreter")
        if word in text
    ]
    assert set(compiled.contents) == set(compiled.files)


@needs_host
@pytest.mark.parametrize("schedule", ["layer", "stream"])
def test_kept_inputs_are_still_there(schedule, tmp_path):
    plain = small(None, tmp_path / "plain", schedule=schedule)
    kept = small(None, tmp_path / "kept", schedule=schedule, extras=("keep-input",))
    assert kept.report["sram"]["arena"] >= plain.report["sram"]["arena"]
    expected = " ".join(str(value) for value in plain.run(*ramp(plain))[0].reshape(-1))
    program = """
    #include "tiny.h"
    int main(void)
    {
        signed char *input = (signed char *)tiny_input(0), before[TINY_INPUT_0_BYTES];
        for (int i = 0; i < TINY_INPUT_0_BYTES; ++i) {
            before[i] = input[i] = (signed char)(i % 256 - 128);
        }
        for (int round = 0; round < 2; ++round) {
            const signed char *output = (const signed char *)tiny_output(0);
            tiny_invoke();
            printf("%d %d %d\\n", output[0], output[1], memcmp(input, before, sizeof before));
        }
        return 0;
    }
    """
    assert host(tmp_path / "kept", program) == f"{expected} 0\n" * 2


@needs_host
@pytest.mark.parametrize("extras", [(), ("dma",)])
@pytest.mark.parametrize("schedule", ["layer", "stream"])
def test_the_next_input_may_be_written_while_the_network_runs(schedule, extras, tmp_path):
    compiled = small(None, tmp_path, schedule=schedule, extras=("double-buffer", "self-test", *extras))
    rng = np.random.default_rng(7)
    frames = [rng.integers(-128, 128, compiled.program.graph.inputs[0].shape, dtype=np.int8) for _ in range(3)]
    data = ", ".join(str(value) for frame in frames for value in frame.reshape(-1))
    program = f"""
    #include "tiny.h"
    #include "tiny_self_test.h"
    static const signed char frames[3][TINY_INPUT_0_BYTES] = {{{data}}};
    static int next;
    void taken(void);
    void taken(void) {{ memcpy(tiny_input(0), frames[next++ % 3], TINY_INPUT_0_BYTES); }}
    int main(void)
    {{
        taken();
        for (int round = 0; round < 3; ++round) {{
            tiny_invoke();
            printf("%d %d|", ((const signed char *)tiny_output(0))[0], ((const signed char *)tiny_output(0))[1]);
        }}
        printf("%d %d", tiny_self_test(), (int)((size_t)tiny_input(0) % 32));
        return 0;
    }}
    """
    outputs = ["{} {}|".format(*compiled.run(frame)[0].reshape(-1)) for frame in frames]
    assert host(tmp_path, program, "-Wno-missing-braces", "-DTINY_INPUT_TAKEN=taken").startswith("".join(outputs) + "0 ")
    if extras:
        assert host(tmp_path, program, "-Wno-missing-braces", "-DTINY_INPUT_TAKEN=taken").endswith(" 0")
    line = 32 if extras else 1
    assert compiled.report["sram"]["static"] == -(-frames[0].nbytes // line) * line


def test_the_only_input_is_not_both_pulled_and_kept():
    with pytest.raises(Error, match="--with keep-input: the only input is pulled"):
        small_on_board(input="pull", extras=("keep-input",))


def test_buffers_beside_the_arena_count_on_boards_alone():
    whole, doubled = (small_on_board(extras=extras).report["verdict"]["sram"] for extras in ((), ("double-buffer",)))
    assert (doubled["limit"], doubled["reserved"]) == (whole["limit"] - 90, whole["reserved"] + 90)
    assert small_on_board(extras=("double-buffer",), sram=4096).report["verdict"]["sram"]["limit"] == 4096


def small_on_board(**options: object) -> Compiled:
    return tflm_mcunet.compile(small_network(), target="stm32f746", **options)  # type: ignore[arg-type]


@needs_host
@pytest.mark.parametrize("options", [{}, {"float_edges": True}, {"schedule": "stream"}])
def test_inputs_for_dma_start_a_cache_line_and_share_none_outside_the_arena(options, tmp_path):
    compiled = small(None, tmp_path, extras=("dma",), **options)
    program = '#include "tiny.h"\nint main(void) { printf("%d\\n", (int)((size_t)tiny_input(0) % 32)); return 0; }\n'
    assert host(tmp_path, program) == "0\n"
    run([*HOST, "-c", tmp_path / "tiny.c", "-o", tmp_path / "tiny.o"])
    symbols = run(["nm", "-S", tmp_path / "tiny.o"]).splitlines()
    (size,) = [int(line.split()[1], 16) for line in symbols if line.endswith(" tiny_arena")]
    assert size == -(-compiled.report["sram"]["arena"] // 32) * 32
    given = """
    #include "tiny.h"
    static unsigned char arena[TINY_ARENA_BYTES] __attribute__((aligned(TINY_ARENA_ALIGNMENT)));
    int main(void)
    {
        tiny_set_arena(arena);
        printf("%d %d\\n", (int)((size_t)tiny_input(0) % 32), (int)(sizeof arena % 32));
        return 0;
    }
    """
    assert host(tmp_path, given, "-DTINY_EXTERNAL_ARENA") == "0 0\n"


@needs_qemu
def test_weights_are_a_blob_in_another_flash(tmp_path):
    compiled = small("stm32cube", tmp_path, name="kws", target="stm32f446", extras=("external-weights", "self-test"))
    text = stm32_run(tmp_path, "kws")
    assert answer(compiled) in text
    assert "self-test passed" in text
    for option, file in (("--only-section=.kws_weights", "weights.bin"), ("--remove-section=.kws_weights", "firmware.bin")):
        run(["arm-none-eabi-objcopy", "-O", "binary", option, "image.elf", file], tmp_path)
    symbols = run(["arm-none-eabi-nm", "-n", "image.elf"], tmp_path).splitlines()
    weights = [line for line in symbols if line.startswith("080c")]
    assert weights
    assert all("kws_op" in line or "kws_constant" in line for line in weights)
    assert 0 < (tmp_path / "weights.bin").stat().st_size <= compiled.report["flash"]["weights"] + 64
    assert (tmp_path / "firmware.bin").stat().st_size < 0xC0000


@needs_host
@pytest.mark.parametrize("input", ["whole", "pull"])
@pytest.mark.parametrize("target", ["generic", "cortex-m7"])
@pytest.mark.parametrize("schedule", ["layer", "stream"])
def test_yielding_after_every_step_changes_no_byte(schedule, target, input, tmp_path):
    compiled = small(None, tmp_path, target=target, schedule=schedule, input=input, extras=("hooks", "self-test"))
    program = """
    #include "tiny_self_test.h"
    static int calls;
    void count(void);
    void count(void) { ++calls; }
    int main(void) { int wrong = tiny_self_test(); printf("%d %d\\n", wrong, calls); return 0; }
    """
    steps = [op.steps for op in compiled.program.lowered.operators]
    assert host(tmp_path, program, "-DTINY_YIELD=count", "-DTINY_YIELD_STEPS=1") == f"0 {sum(steps)}\n"
    events = len(compiled.program.schedule.events)
    assert host(tmp_path, program, "-DTINY_YIELD=count") == f"0 {events}\n"


@needs_host
def test_cycles_are_counted_per_operator(tmp_path):
    compiled = small(None, tmp_path, extras=("hooks",))
    program = """
    #include "tiny.h"
    uint32_t clock_of_calls(void);
    uint32_t clock_of_calls(void) { static uint32_t now = 0xFFFFFFFF; return now += 5; }
    int main(void)
    {
        tiny_invoke();
        tiny_invoke();
        for (int i = 0; i < TINY_OPERATORS; ++i) {
            printf("%lu %s\\n", (unsigned long)tiny_cycles(i), tiny_operator(i));
        }
        return 0;
    }
    """
    lines = host(tmp_path, program, "-DTINY_PROFILE", "-DTINY_CYCLES=clock_of_calls").splitlines()
    events = [event.operator for event in compiled.program.schedule.events]
    assert [line.split()[0] for line in lines] == [str(5 * events.count(i)) for i in range(len(lines))]
    assert [line.split()[2] for line in lines] == ["CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"]


@needs_host
def test_two_models_share_one_arena(tmp_path):
    for name in ("one", "two"):
        small(None, tmp_path, name=name, float_edges=name == "two", extras=("self-test",))
    program = """
    #include "one.h"
    #include "two.h"
    #include "one_self_test.h"
    #include "two_self_test.h"
    static uint64_t arena[((ONE_ARENA_BYTES > TWO_ARENA_BYTES ? ONE_ARENA_BYTES : TWO_ARENA_BYTES) + 7) / 8];
    int main(void)
    {
        printf("%d ", one_invoke());
        one_set_arena(arena);
        two_set_arena(arena);
        for (int i = 0; i < 2; ++i) {
            printf("%d %d ", one_self_test(), two_self_test());
        }
        return 0;
    }
    """
    assert host(tmp_path, program, "-DONE_EXTERNAL_ARENA", "-DTWO_EXTERNAL_ARENA") == "-1 0 0 0 0 "


@needs_host
def test_a_self_test_finds_a_wrong_byte(tmp_path):
    small(None, tmp_path, extras=("self-test",))
    stored = (tmp_path / "tiny_self_test.c").read_text()
    head, _, tail = stored.partition("output0[2] = {\n    ")
    first, rest = tail.split(",", 1)
    (tmp_path / "tiny_self_test.c").write_text(f"{head}output0[2] = {{\n    {int(first) ^ 1},{rest}")
    assert host(tmp_path, '#include "tiny_self_test.h"\nint main(void) { printf("%d", tiny_self_test()); return 0; }\n') == "1"


@needs_host
@pytest.mark.parametrize("channels", [1, 3])
def test_camera_rows(channels, tmp_path):
    rng = np.random.default_rng(5)
    width, columns = 10, 7
    bytes_ = rng.integers(0, 256, (3, width, 3), dtype=np.uint8)
    nearest = np.arange(columns) * width // columns
    grey, rgb = bytes_[0, nearest, 0], bytes_[1, nearest].astype(int)
    words = bytes_[2, :, :2].astype(int) @ [256, 1]
    fives = np.stack([words >> 11, words >> 5 & 63, words & 31], -1)[nearest]
    wide = np.stack(
        [fives[:, 0] << 3 | fives[:, 0] >> 2, fives[:, 1] << 2 | fives[:, 1] >> 4, fives[:, 2] << 3 | fives[:, 2] >> 2], -1
    )
    pixels = {"grey": np.repeat(grey[:, None], 3, 1).astype(int), "rgb888": rgb, "rgb565": wide}
    sources = {"grey": bytes_[0, :, 0], "rgb888": bytes_[1], "rgb565": bytes_[2, :, :2]}
    for kind, expected in pixels.items():
        values = (expected @ [77, 150, 29] + 128) // 256 if channels == 1 else expected.reshape(-1)
        data = ", ".join(map(str, sources[kind].reshape(-1)))
        program = f"""
        #include "mcu_camera.h"
        static const uint8_t pixels[] = {{ {data} }};
        int main(void)
        {{
            int8_t row[{columns * channels}];
            mcu_camera_{kind}(pixels, {width}, row, {columns}, {channels});
            for (int i = 0; i < {columns * channels}; ++i) {{
                printf("%d ", row[i]);
            }}
            return 0;
        }}
        """
        shutil.copy(kernel_folder() / "portable/mcu_camera.h", tmp_path)
        assert list(map(int, host(tmp_path, program, "-Wno-unused-function").split())) == list(values - 128)


TFLM_ROOT = os.environ.get("TFLM_ROOT")
REAL_HEADERS = pytest.mark.skipif(not TFLM_ROOT, reason="TFLM_ROOT does not name a tree of TFLM's sources")
TFLM_HEADERS = [
    pytest.param([], id="alone"),
    pytest.param([f"-I{STUBS}/tflm"], id="beside-tflm"),
    pytest.param([f"-I{STUBS}/tflm_namespace"], id="beside-newer-tflm"),
    pytest.param([f"-I{TFLM_ROOT}"], marks=REAL_HEADERS, id="with-the-headers-of-tflm"),
    pytest.param([f"-I{TFLM_ROOT}", "-DTF_LITE_STATIC_MEMORY"], marks=REAL_HEADERS, id="with-the-headers-of-tflm-as-it-builds"),
]

FACADE = """
#include <cstdio>
#include "tiny_tflm.h"

using namespace tflite::micro;

const int model = 0, resolver = 0;
alignas(16) uint8_t tensor_arena[4096];
tiny::Interpreter *interpreter = nullptr;
TfLiteTensor *input = nullptr;

int main()
{
    static tiny::Interpreter static_interpreter(model, resolver, tensor_arena, sizeof tensor_arena);
    interpreter = &static_interpreter;
    if (interpreter->AllocateTensors() != kTfLiteOk) {
        return 1;
    }
    input = interpreter->input(0);
    for (size_t i = 0; i < input->bytes; ++i) {
        input->data.int8[i] = static_cast<int8_t>(i % 256 - 128);
    }
    if (interpreter->Invoke() != kTfLiteOk) {
        return 2;
    }
    TfLiteTensor *output = interpreter->output(0);
    std::printf("%d %d | %d: %d %d %d %d | %d: %d %d | %.2f %d | %d %d\\n", output->data.int8[0], output->data.int8[1],
                input->dims->size, input->dims->data[0], input->dims->data[1], input->dims->data[2], input->dims->data[3],
                output->dims->size, output->dims->data[0], output->dims->data[1], static_cast<double>(output->params.scale),
                static_cast<int>(output->params.zero_point), input->type == kTfLiteInt8, interpreter->input(1) == nullptr);
    return interpreter->arena_used_bytes() == TINY_ARENA_BYTES ? 0 : 3;
}
"""


@pytest.mark.skipif(shutil.which("c++") is None, reason="a host compiler for C++ is missing")
@pytest.mark.parametrize("arena", [[], ["-DTINY_EXTERNAL_ARENA"]])
@pytest.mark.parametrize("tflm", TFLM_HEADERS)
def test_an_application_of_tflm_keeps_its_code(tflm, arena, tmp_path):
    compiled = small(None, tmp_path, extras=("tflm",))
    (tmp_path / "main.cpp").write_text(FACADE)
    run(["cc", "-std=c99", *arena, "-c", tmp_path / "tiny.c", "-o", tmp_path / "tiny.o"])
    run(
        [
            "c++",
            "-std=c++14",
            "-Wall",
            "-Wextra",
            "-Werror",
            *arena,
            *tflm,
            tmp_path / "main.cpp",
            tmp_path / "tiny.o",
            "-o",
            tmp_path / "main",
        ]
    )
    first, second = compiled.run(*ramp(compiled))[0].reshape(-1)
    assert run([tmp_path / "main"]) == f"{first} {second} | 4: 1 6 5 3 | 2: 1 2 | 0.30 -7 | 1 1\n"


GUIDE = Path(__file__).parents[2] / "docs/guides/from-tflm.md"
EXAMPLE = "tensorflow/lite/micro/examples/person_detection/main_functions.cc"
DATA = "extern const unsigned char g_person_detect_model_data[];\n"


@pytest.mark.skipif(bool(missing(ROOTS)), reason=f"{', '.join(ROOTS)} do not name trees of sources")
def test_tflms_example_compiles_with_the_lines_of_the_guide(tmp_path):
    small(None, tmp_path, name="person", extras=("tflm",))
    (tmp_path / "tensorflow/lite/micro/models").mkdir(parents=True)
    (tmp_path / "tensorflow/lite/micro/models/person_detect_model_data.h").write_text(DATA)
    text = '#include "person_tflm.h"\n' + (named("TFLM_ROOT") / EXAMPLE).read_text()
    lines = re.findall(r"^-\s*(.*)\n\+\s*(.*)$", GUIDE.read_text(), re.MULTILINE)
    assert len(lines) == 2
    for old, new in lines:
        text, count = re.subn(r"\s*".join(map(re.escape, re.findall(r"\w+|[^\w\s]", old))), new, text)
        assert count == 1
    (tmp_path / "main_functions.cc").write_text(text)
    flags = ["-std=c++17", "-DTF_LITE_STATIC_MEMORY", f"-I{tmp_path}", *include_flags()]
    run(["c++", *flags, "-c", tmp_path / "main_functions.cc", "-o", tmp_path / "main.o"])
    symbols = run(["nm", "-C", tmp_path / "main.o"])
    assert "person_invoke" in symbols
    assert "tflite::MicroInterpreter" not in symbols


@needs_cross
def test_the_facade_compiles_without_a_standard_library(tmp_path):
    small(None, tmp_path, extras=("tflm",))
    (tmp_path / "main.cpp").write_text(
        FACADE.replace("#include <cstdio>", "#include <stdio.h>\nnamespace std { using ::printf; }")
    )
    flags = ["-mcpu=cortex-m4", "-mthumb", "-std=gnu++11", "-fno-exceptions", "-fno-rtti", "-Wall", "-Wextra", "-Werror"]
    run(["arm-none-eabi-g++", *flags, f"-I{tmp_path}", "-c", tmp_path / "main.cpp", "-o", tmp_path / "main.o"])


@pytest.mark.parametrize(
    ("extras", "input", "reason"),
    [
        (("camera",), "whole", "--input pull"),
        (("tflm",), "pull", "leave out"),
        (("double-buffer",), "pull", "leave out"),
        (("x",), "whole", "choose some"),
    ],
)
def test_extras_that_make_no_sense(extras, input, reason):
    with pytest.raises(Error, match=reason):
        tflm_mcunet.compile(small_network(), extras=extras, input=input)


@pytest.mark.parametrize("shape", [(1, 12), (1, 4, 4, 2)])
def test_a_camera_is_refused_where_the_input_is_no_picture(shape):
    b = ModelBuilder()
    x = b.input(shape)
    outputs = [b.tensor(shape, scale=0.5, zero_point=3)]
    b.operator("RELU", [x], outputs)
    with pytest.raises(Error, match=r"--with camera: input 0 \(.*, 1x.*\) is no picture of 1 or 3 channels"):
        tflm_mcunet.compile(b.build(outputs), extras=("camera",), input="pull")


@pytest.mark.slow
@pytest.mark.skipif(not SHARED.is_dir(), reason="the reference models are not here")
@pytest.mark.parametrize("model", ["mlperf_kws_dscnn", "mlperf_ic_resnet8", "tflm_person_detect", "mlperf_vww_mobilenet96"])
def test_real_models_yield_after_every_step(model, tmp_path):
    for target in ("generic", "cortex-m7"):
        compiled = tflm_mcunet.compile(
            SHARED / f"{model}.tflite", name="tiny", target=target, extras=("hooks", "self-test", "keep-input")
        )
        compiled.write(tmp_path / target)
        program = '#include "tiny_self_test.h"\nvoid nothing(void);\nvoid nothing(void) {}\n'
        program += 'int main(void) { printf("%d", tiny_self_test()); return 0; }\n'
        assert host(tmp_path / target, program, "-DTINY_YIELD=nothing", "-DTINY_YIELD_STEPS=1") == "0"
