"""Stub that stdeb and pybuild call; everything is in setup.cfg."""

from setuptools import setup

setup()
