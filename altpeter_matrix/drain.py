"""Run by matrix-synapse.service of 0.1, until systemd has read the new one. Goes with 0.3."""

import runpy

# What hold.py of 0.1 imports, as long as dpkg has not replaced it, too.
HELD = "/run/altpeter-matrix/held"

if __name__ == "__main__":
    runpy.run_module("altpeter_matrix.bridge.before_stop", run_name="__main__")
