"""Published models on an emulated Cortex-M55: every intermediate tensor is TFLM's, byte for byte."""

from __future__ import annotations

import pytest

from tests.kernels.mve import assert_exact
from tests.networks.expose import expose
from tests.test_models import SHARED, every_model


@pytest.mark.slow
@every_model
def test_intermediate_tensors(name: str) -> None:
    file = SHARED / "models" / f"{name}.tflite"
    if not file.exists():
        pytest.skip(f"there is no ../shared/models/{file.name}")
    assert_exact(expose(file.read_bytes()), samples=1)
