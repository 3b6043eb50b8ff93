"""``make demo``: a disposable homeserver on this machine, deployed with the public command."""

import argparse
import json
import shlex
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from tests.hosts.deployments import TOP, Deployment, deploy, lab_settings
from tests.hosts.lab import Lab, LabError, Needs
from tests.hosts.lab.layout import CACHE, RELEASES
from tests.hosts.lab.prepare import prepare
from tests.hosts.lab.synapse_deb import VERSIONS

LAB_NAME = "demo"
SERVER_NAME = "matrix.demo.test"
REPORT = TOP / "build" / "demo.json"
CA_FILE = TOP / "build" / "demo-ca.pem"
# With the seconds that each takes on two processors; the first only the first time.
MAKING = "base image and package of Synapse"
STEPS = {
    MAKING: 75,
    "outside world (DNS, ACME, apt, mail)": 10,
    "bare Debian host": 5,
    "deploy": 50,
}


def up(debian: str) -> None:
    """Boot a host, deploy it, leave it running and say how to use it."""
    began = time.monotonic()
    # One release and one version; what the tests need beside these is not built.
    needs = Needs(releases=(debian,), versions=VERSIONS[-1:], services=debian)
    say = progress(debian)
    next(say)
    prepare(needs)
    next(say)
    lab = Lab.open(LAB_NAME, needs)
    with lab:
        next(say)
        host = lab.host("matrix", debian=debian, dns=(SERVER_NAME,))
        settings = lab_settings(lab, SERVER_NAME, uploads={"max_size": "50M"})
        next(say)
        deployment = deploy(lab, host, settings)
        shutil.copyfile(lab.services.ca_file, CA_FILE)
        write_report(deployment)
        lab.detach()
    print_report(deployment, debian, time.monotonic() - began)


def progress(debian: str) -> Iterator[None]:
    """One line as each step begins: which of how many, and what is left."""
    made = list(CACHE.glob(f"synapse-{RELEASES[debian].codename}-{VERSIONS[-1]}-*"))
    seconds = STEPS | ({MAKING: 0} if made else {})
    names = list(seconds)
    for number, name in enumerate(names, start=1):
        left = sum(seconds[one] for one in names[number - 1 :])
        after = f"; then: {', '.join(names[number:])}" if names[number:] else ""
        print(f"[demo] {number}/{len(names)} {name} (about {left} s to go{after})", flush=True)
        yield


def write_report(deployment: Deployment) -> None:
    """Write what a program needs to use the demo; the file holds the password, so 0600."""
    REPORT.touch(mode=0o600)
    report = {
        "server_name": deployment.server_name,
        "base_url": deployment.base_url,
        "address": deployment.host.ipv4,
        "ca_file": str(CA_FILE),
        "ssh": deployment.host.ssh_argv,
        "admin_user": deployment.administrator,
        "admin_password": deployment.administrator_password,
    }
    REPORT.write_text(json.dumps(report, indent=2) + "\n")


def print_report(deployment: Deployment, debian: str, seconds: float) -> None:
    resolve = f"{deployment.public_name}:443:{deployment.host.ipv4}"
    print(
        f"""
A Matrix homeserver runs on Debian {debian} (ready after {seconds:.0f} s).

  address        {deployment.base_url}  ({deployment.host.ipv4})
  administrator  {deployment.administrator}
  password       {deployment.administrator_password}
  a shell        {shlex.join(deployment.host.ssh_argv)}
  a request      curl --cacert {relative(CA_FILE)} --resolve {resolve} \\
                   {deployment.base_url}/_matrix/client/versions

All of this is in {relative(REPORT)} too. `make demo-down` removes the host.
"""
    )


def relative(path: Path) -> Path:
    return path.relative_to(TOP)


def down() -> None:
    """Remove the demo's hosts and files; harmless when there are none."""
    Lab.clean(LAB_NAME)
    for path in (REPORT, CA_FILE):
        path.unlink(missing_ok=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("action", choices=["up", "down"])
    parser.add_argument("--debian", choices=["12", "13"], default="13")
    arguments = parser.parse_args()
    try:
        if arguments.action == "up":
            up(arguments.debian)
        else:
            down()
    except (LabError, AssertionError) as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
