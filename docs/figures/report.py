"""Photographs the top of the page about the network in examples/: `python docs/figures/report.py` (needs Chromium)."""

from __future__ import annotations

import base64
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.report.browser import chromium  # noqa: E402
from tflm_mcunet.options import Options  # noqa: E402
from tflm_mcunet.report.analysis import analyze  # noqa: E402
from tflm_mcunet.report.page import page  # noqa: E402

WIDTH, HEIGHT = 1000, 1150


def main() -> None:
    """Writes report.png beside this file."""
    model = (ROOT / "examples" / "fashion_mnist" / "model.tflite").read_bytes()
    found = analyze(model, "fashion_mnist.tflite", Options(target="nano33ble"), on="cortex-m4")
    with tempfile.TemporaryDirectory() as folder, chromium() as browser:
        path = Path(folder) / "page.html"
        path.write_text(page(found), encoding="utf-8")
        browser.open(path, WIDTH)
        clip = {"x": 0, "y": 0, "width": WIDTH, "height": HEIGHT, "scale": 1}
        picture = browser.call("Page.captureScreenshot", captureBeyondViewport=True, clip=clip)["data"]
    Path(__file__).with_name("report.png").write_bytes(base64.b64decode(picture))


if __name__ == "__main__":
    main()
