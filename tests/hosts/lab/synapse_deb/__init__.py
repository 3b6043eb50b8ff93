"""Packs Synapse from PyPI as ``matrix-synapse-py3``, as packages.matrix.org would serve it."""

from __future__ import annotations

from .packing import SUPPORTED, VERSIONS, package

__all__ = ["SUPPORTED", "VERSIONS", "package"]
