"""TFLM as the oracle: results, intermediates, and what happens to models that it rejects or dies of."""

from __future__ import annotations

import numpy as np
import pytest

from tests.execute.models import relu_model
from tflm_mcunet.execute import tflm as tflm_module
from tflm_mcunet.execute.tflm import Tflm, TflmError, TflmMissing, available

pytestmark = pytest.mark.skipif(not available(), reason="the TFLM interpreter (tflite_micro) is not installed")
SAMPLE = np.array([[-128, -2, 0, 127]], np.int8)
RELU = np.array([[-1, -1, 0, 127]], np.int8)


@pytest.fixture(scope="module")
def tflm():
    with Tflm() as running:
        yield running


def test_outputs_of_several_samples(tflm):
    results = tflm.run(relu_model(), [[SAMPLE], [SAMPLE[:, ::-1]]])
    assert [result.outputs[0].tolist() for result in results] == [RELU.tolist(), RELU[:, ::-1].tolist()]
    assert results[0].outputs[0].dtype == np.int8
    assert results[0].tensors == {}


def test_a_sample_may_have_another_shape_of_the_same_size(tflm):
    assert tflm.run(relu_model(), [[SAMPLE.reshape(2, 2)]])[0].outputs[0].shape == (1, 4)


def test_float_edges(tflm):
    sample = np.array([[-1.5, -0.0, 0.25, 3e38]], np.float32)
    result = tflm.run(relu_model(kind="FLOAT32"), [[sample]], intermediates=True)[0]
    np.testing.assert_array_equal(result.outputs[0], np.maximum(sample, 0))
    assert {tensor.dtype for tensor in result.tensors.values()} == {np.dtype(np.float32)}


def test_scalars_come_back_as_arrays(tflm):
    result = tflm.run(relu_model(shape=()), [[np.int8(-7)]], intermediates=True)[0]
    assert isinstance(result.outputs[0], np.ndarray)
    assert result.outputs[0].shape == () == result.tensors[0].shape
    assert result.outputs[0] == -1


def test_intermediates_by_tensor_index(tflm):
    result = tflm.run(relu_model(length=3), [[SAMPLE]], intermediates=True)[0]
    assert sorted(result.tensors) == [0, 1, 2, 3]
    np.testing.assert_array_equal(result.tensors[0], SAMPLE)
    np.testing.assert_array_equal(result.tensors[1], RELU)
    np.testing.assert_array_equal(result.outputs[0], RELU)


def test_large_tensors_fit_whatever_the_size_of_the_model_file(tflm):
    result = tflm.run(relu_model((1, 512, 512, 16)), [[np.ones((1, 512, 512, 16), np.int8)]])[0]
    assert result.outputs[0].min() == 1


def test_arena_used_grows_with_the_tensors(tflm):
    small, large = tflm.arena_used_bytes(relu_model((1, 16))), tflm.arena_used_bytes(relu_model((1, 10016)))
    assert abs(large - small - 2 * 10000) < 64


def test_wrong_type_and_size_are_named(tflm):
    with pytest.raises(TflmError, match=r"input 0 is int8\[1, 4\], the sample has float32\[1, 4\]"):
        tflm.run(relu_model(), [[SAMPLE.astype(np.float32)]])
    with pytest.raises(TflmError, match="the model has 1 inputs, the sample has 2"):
        tflm.run(relu_model(), [[SAMPLE, SAMPLE]])


def test_an_operator_that_tflm_lacks_is_in_the_message(tflm):
    with pytest.raises(TflmError, match="RANDOM_UNIFORM"):
        tflm.run(relu_model(operator="RANDOM_UNIFORM"), [[SAMPLE]])


def test_broken_files_are_errors_and_the_next_model_runs(tflm):
    model = bytearray(relu_model())
    model[20:60] = b"\xff" * 40
    for broken in (bytes(model), b"", b"no model at all"):
        with pytest.raises(TflmError):
            tflm.run(broken, [[SAMPLE]])
    np.testing.assert_array_equal(tflm.run(relu_model(), [[SAMPLE]])[0].outputs[0], RELU)


def test_a_killed_worker_is_replaced(tflm):
    tflm.run(relu_model(), [[SAMPLE]])
    tflm._process.kill()
    tflm._process.wait()
    np.testing.assert_array_equal(tflm.run(relu_model(), [[SAMPLE]])[0].outputs[0], RELU)


def test_too_long_is_an_error(tflm):
    image = np.ones((1, 512, 512, 16), np.int8)
    with Tflm(timeout=0.2) as hasty:
        with pytest.raises(TflmError, match=r"took longer than 0\.2 s"):
            hasty.run(relu_model((1, 512, 512, 16), length=50), [[image]] * 3)
        np.testing.assert_array_equal(hasty.run(relu_model(), [[SAMPLE]])[0].outputs[0], RELU)


def test_a_missing_package_is_one_line(monkeypatch):
    monkeypatch.setattr(tflm_module, "available", lambda: False)
    with pytest.raises(TflmMissing, match=r"pip install 'tflm-mcunet\[verify\]'"):
        Tflm()
