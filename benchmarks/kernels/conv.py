"""Instructions and modelled cycles of single convolutions in each variant: python -m benchmarks.kernels.conv."""

from __future__ import annotations

from benchmarks.kernels.depthwise import measure
from tests.kernels.test_conv_dsp import Case, network
from tflm_mcunet.kernels import dsp
from tflm_mcunet.kernels.dsp.conv_2d import CONV_2D
from tflm_mcunet.kernels.dsp.fully_connected import fully_connected
from tflm_mcunet.operators.window import outputs_along


def layer(size: int, channels: int, outputs: int, window: int = 1, stride: int = 1, zero: int = -128) -> Case:
    """A convolution of a square map as the kernels' tests build it; its input is a ReLU's output.

    Half of its random weights are zeros, so that sums fit two to a lane, as those of trained weights do.
    """
    window_and_stride = {"window": (window, window), "stride": (stride, stride)}
    sums = {"sparse": 0.5, "zero": zero, "pad": -128}
    return {"size": (size, size), "channels": channels, "outputs": outputs, **window_and_stride, **sums}


LAYERS = [
    layer(20, 16, 48),
    layer(20, 48, 16, zero=3),
    layer(40, 8, 48),
    layer(40, 16, 8, zero=3),
    layer(10, 24, 144),
    layer(10, 144, 24, zero=3),
    layer(3, 96, 480),
    layer(3, 480, 96, zero=3),
    layer(5, 40, 240),
    layer(5, 240, 40, zero=3),
    layer(80, 3, 16, 3, 2),
    layer(32, 16, 16, 3),
    layer(32, 16, 16, 3, zero=3),
    layer(32, 16, 32, 3, 2),
    layer(16, 32, 32, 3),
    layer(8, 64, 64, 3),
    layer(32, 16, 32, 1, 2),
]
PRODUCTS: list[Case] = [
    {"size": 1, "channels": depth, "outputs": outputs, "sparse": 0.5} for depth, outputs in ((128, 128), (128, 640), (640, 128))
]
"""FULLY_CONNECTED with a multiplier per channel."""


def figures(case: Case, macs: float) -> str:
    """Instructions and modelled cycles per multiply-accumulate, and scratch."""
    done, scratch, _ = measure(network([case], 1), "cortex-m4")
    assert done.modelled_cycles is not None
    return f"{done.instructions / macs:.2f} / {done.modelled_cycles / macs:.2f} / {scratch:,}"


def describe(case: Case) -> str:
    """The layer as a cell of the table."""
    (size, _), (window, _), (stride, _) = case["size"], case["window"], case["stride"]
    text = f"{window}x{window} {case['channels']} -> {case['outputs']}"
    return f"{text}{f' stride {stride}' if stride > 1 else ''}, {size}x{size}{', ReLU' if case['zero'] == -128 else ''}"


def main() -> None:
    """Prints a table."""
    print("| layer | strips of 12 rows | of 3 rows | single rows | two pixels | one pixel |")
    print("|---|---|---|---|---|---|")
    for case in LAYERS:
        (size, _), (window, _), (stride, _) = case["size"], case["window"], case["stride"]
        macs = outputs_along("SAME", size, window, stride, 1) ** 2 * case["channels"] * case["outputs"] * window**2
        cells = []
        for variant in CONV_2D:
            dsp.VARIANTS[:] = [variant]
            cells.append(figures(case, macs))
        print(f"| {describe(case)} | {' | '.join(cells)} |", flush=True)
    dsp.VARIANTS[:] = [fully_connected]
    for case in PRODUCTS:
        channels, outputs = case["channels"], case["outputs"]
        print(f"| FULLY_CONNECTED {channels} -> {outputs} | {figures(case, channels * outputs)} | | | | |", flush=True)


if __name__ == "__main__":
    main()
