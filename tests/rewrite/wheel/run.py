"""Runs a model in the wheel's interpreter with custom operators from a shared library: a process of its own, for `tflm.py`.

Arguments: model, library, samples (.npz), results (.npz). Prints TFLM's account of its arena.
"""

import ctypes
import os
import sys

import numpy as np


def main() -> None:
    model, library, samples, results = sys.argv[1:]
    sys.setdlopenflags(os.RTLD_NOW | os.RTLD_GLOBAL)  # the library finds TFLM's functions, and TFLM finds its registerer
    from tflite_micro import runtime

    ctypes.CDLL(library, mode=ctypes.RTLD_GLOBAL)
    interpreter = runtime.Interpreter.from_file(model, custom_op_registerers=["register_stages"], arena_size=64 << 20)
    outputs = {}
    with np.load(samples) as archive:
        for name in archive.files:  # SAMPLE_INPUT
            sample, index = map(int, name.split("_"))
            interpreter.set_input(archive[name], index)
            if f"{sample}_{index + 1}" not in archive.files:
                interpreter.invoke()
                for number in range(int(os.environ["OUTPUTS"])):
                    outputs[f"{sample}_{number}"] = interpreter.get_output(number)
    interpreter.print_allocations()
    np.savez(results, **outputs)


if __name__ == "__main__":
    main()
