"""Compiles int8 .tflite models to static C for microcontrollers, bit-exact with TensorFlow Lite Micro."""
