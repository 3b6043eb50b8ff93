"""Run by altpeter-matrix-hold.service of 0.1, until systemd has read the new one. Goes with 0.3."""

import runpy

if __name__ == "__main__":
    runpy.run_module("altpeter_matrix.bridge.after_start", run_name="__main__")
