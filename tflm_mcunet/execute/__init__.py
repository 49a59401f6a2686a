"""Runs what was compiled: on this host, on an emulated Cortex-M, and in TensorFlow Lite Micro, the oracle."""
