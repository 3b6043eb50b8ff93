"""What apt's hook of 0.1 imports: apt starts it while our own files change. Goes with 0.3."""

from .cli.apt_hook import main

__all__ = ["main"]
