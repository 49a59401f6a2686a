"""Generated C as a shared library: whole input, pulled rows, several models, and what is reported when it fails."""

from __future__ import annotations

import numpy as np
import pytest

from tests.execute import toys
from tflm_mcunet.execute.build import BuildError, ToolMissing
from tflm_mcunet.execute.generated import RunError
from tflm_mcunet.execute.host import HostModel, build_library, close_library


def test_whole_input(tmp_path):
    with HostModel.compile(toys.whole(tmp_path)) as model:
        for sample in (toys.SAMPLE, toys.SAMPLE[:, ::-1]):
            (output,) = model.run([sample])
            np.testing.assert_array_equal(output, sample + 1)
            assert output.dtype == np.int8


def test_several_models_in_one_library(tmp_path):
    models = [toys.whole(tmp_path, f"toy_{index}", body=f"arena[0] = {index};") for index in range(3)]
    library = build_library([tmp_path / f"{model.prefix}.c" for model in models], [tmp_path])
    for index, model in enumerate(models):
        host = HostModel(library, model.prefix, model.inputs, model.outputs)
        assert host.run([toys.SAMPLE])[0].flat[0] == index + 1
    with pytest.raises(RunError, match="no function other_input"):
        HostModel(library, "other", models[0].inputs, models[0].outputs)
    close_library(library)


@pytest.mark.parametrize("elsewhere", [False, True])
def test_pulled_rows(tmp_path, elsewhere):
    with HostModel.compile(toys.pull(tmp_path)) as model:
        np.testing.assert_array_equal(model.run_rows([toys.SAMPLE], elsewhere=elsewhere)[0], toys.SAMPLE + 1)


@pytest.mark.parametrize(
    ("rows", "message"), [((1, 3), "row 1 of 3 was asked for, row 0 was due"), ((0, 2), "only 2 of 3"), ((0, 4), "row 3 of 3")]
)
def test_rows_out_of_order_or_left_are_errors(tmp_path, rows, message):
    with HostModel.compile(toys.pull(tmp_path, "toy", *rows)) as model, pytest.raises(RunError, match=message):
        model.run_rows([toys.SAMPLE])


def test_aborting_makes_invoke_fail(tmp_path):
    with HostModel.compile(toys.pull(tmp_path)) as model, pytest.raises(RunError, match="toy_invoke_rows returned 1"):
        model.run_rows([toys.SAMPLE], abort_at=2)


def test_misfit_inputs_are_named(tmp_path):
    with HostModel.compile(toys.whole(tmp_path)) as model:
        with pytest.raises(RunError, match=r"input 0 is int8\[1, 3, 4, 1\], given was float32\[2\]"):
            model.run([np.zeros(2, np.float32)])
        with pytest.raises(RunError, match="the model has 1 inputs, the sample has 0"):
            model.run([])


def test_a_failing_invoke_is_an_error(tmp_path):
    model = toys.whole(tmp_path, body="return 7;")
    with HostModel.compile(model) as host, pytest.raises(RunError, match="toy_invoke returned 7"):
        host.run([toys.SAMPLE])


def test_a_compiler_error_is_one_line(tmp_path):
    with pytest.raises(BuildError, match=r"^\w+ failed: .*toy\.c:\d+:\d+: error: .*nonsense[^\n]*$"):
        HostModel.compile(toys.whole(tmp_path, body="nonsense;"))


def test_a_missing_compiler_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setenv("CC", "no-such-compiler -O2")
    with pytest.raises(ToolMissing, match="no-such-compiler not found"):
        HostModel.compile(toys.whole(tmp_path))
