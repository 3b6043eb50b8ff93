"""Restart what Synapse stands on, while Synapse is away: `beneath UNIT SYNAPSE`.

systemd does not do it in one transaction: of two units that restart together it stops both at once,
whatever their order, and requests that Synapse is just answering would fail. Run in a unit of its
own, so that Synapse starts again also when whoever asked for it is killed meanwhile.
"""

import subprocess
import sys

_IN_A_UNIT = ("systemd-run", "--quiet", "--collect", "--wait", "--pipe", "--")
_ITSELF = ("/usr/bin/python3", "-I", "-m", "altpeter_matrix.bridge.beneath")


def command(beneath: str, synapse: str) -> list[str]:
    """What runs this in a unit of its own, and ends with its exit status."""
    return [*_IN_A_UNIT, *_ITSELF, beneath, synapse]


def main(beneath: str, synapse: str) -> int:
    """Stop Synapse, whose requests then wait, restart the other, start Synapse; its exit status."""
    try:
        subprocess.run(["systemctl", "stop", synapse], check=False)
        # Whether it runs then is for who asked to see.
        subprocess.run(["systemctl", "restart", beneath], check=False)
    finally:
        done = subprocess.run(["systemctl", "start", synapse], check=False)
    return done.returncode


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:3]))
