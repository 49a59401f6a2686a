"""Fixtures of the kernels' tests."""

from __future__ import annotations

from itertools import islice

import pytest

from tflm_mcunet.kernels import alternatives, choice


@pytest.fixture
def only_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """Operators take the first kernel that applies, even where the cost model finds the portable one quicker."""
    monkeypatch.setattr(choice, "alternatives", lambda op, features: islice(alternatives(op, features), 1))
    monkeypatch.setattr(choice._Kernels, "only_one", False)
