"""TinyNAS: the search for networks that fit a board (Lin et al., MCUNet, 2020, and MCUNetV2, 2021).

    space.py, spaces/     what may vary, as data; architectures as rows of small integers
    search_space.py       which resolution and width suit a board, before anything is trained; pricing.py: by estimates
    model.py              one architecture as a Keras model
    supernet.py           all of them with shared weights
    plan.py               what one needs, by the compiler's own schedule and kernels
    evolution.py          the best one within limits of SRAM, flash and time
    search_network.py     from data to that one
    train.py              from data to firmware: float and quantisation-aware training, conversion, compilation
    data/, tasks/         where samples come from; what networks are trained for, and the C beside them

Importing this package, or what needs no training, does not import TensorFlow.
"""
