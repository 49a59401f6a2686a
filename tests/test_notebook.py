"""The notebook of the examples, executed from its first cell to its last."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOK = Path(__file__).parents[1] / "examples" / "keras_to_board.ipynb"


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("tensorflow") is None, reason="TensorFlow is missing: pip install '.[nas]'")
@pytest.mark.skipif(shutil.which("qemu-system-arm") is None, reason="QEMU is missing")
def test_the_notebook_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(NOTEBOOK.parents[1]))
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    NotebookClient(notebook, timeout=600, resources={"metadata": {"path": str(tmp_path)}}).execute()
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    text = "".join(output.get("text", "") for output in outputs)
    assert "on nano33ble: fits" in text
    assert text.count("differing=0") == 3
    pages = [output["data"]["text/html"] for output in outputs if "text/html" in output.get("data", {})]
    assert len(pages) == 2
    assert "SRAM over time" in pages[0]
    assert "Accuracy of the int8 model" in pages[1]
    accuracy = float(next(line for line in text.splitlines() if "% " in line or "%," in line).split("%")[0])
    assert accuracy > 80
    assert (tmp_path / "stripes_sketch").is_dir()


def test_the_notebook_is_kept_without_outputs() -> None:
    cells = nbformat.read(NOTEBOOK, as_version=4).cells
    assert all(not cell.outputs and cell.execution_count is None for cell in cells if cell.cell_type == "code")
