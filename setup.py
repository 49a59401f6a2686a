"""Packaging: the light install compiles models; extras add verification, search and development tools."""

from setuptools import setup

setup()
