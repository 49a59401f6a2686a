"""The table of supported operators: TFLite name -> class, filled from the modules beside this file."""

from __future__ import annotations

import importlib
import pkgutil

from tflm_mcunet.operators.base import Operator


def _concrete(cls: type[Operator]) -> list[type[Operator]]:
    found = [cls] if cls.kind and not cls.internal else []
    for subclass in cls.__subclasses__():
        found += _concrete(subclass)
    return found


for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")

OPERATORS: dict[str, type[Operator]] = {cls.kind: cls for cls in sorted(_concrete(Operator), key=lambda c: c.kind)}
