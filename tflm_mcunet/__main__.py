"""`python -m tflm_mcunet` is the command line."""

from tflm_mcunet.cli import run

run()
