"""The release before this one, built from history and deployed by its own deploy.

Users have what 754ed44 built, as 0.1.0: the last commit before the modules became packages.
"""

import io
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from tests.hosts.deployments import TOP, Deployment, lab_settings, run_pyinfra, write_inventory
from tests.hosts.fleet import Fleet
from tests.hosts.lab.errors import LabError
from tests.hosts.lab.images import cached

COMMIT = "754ed443d46ff78a4cfdfcf57d706c4ee58cee51"
VERSION = "0.1.0-1"
PACKAGE, UPSTREAM = "altpeter-matrix-config", "matrix-synapse-py3"
# There is a newer one in the lab's repository, once that has been deployed.
OLDER_SYNAPSE = "1.157.2"


def in_history() -> bool:
    """Whether it can be built: not from a shallow clone, nor from an archive of the sources."""
    asked = subprocess.run(
        ["git", "cat-file", "-e", COMMIT], cwd=TOP, check=False, capture_output=True
    )
    return asked.returncode == 0


needed = pytest.mark.skipif(
    not in_history(), reason=f"commit {COMMIT[:7]} is not in this clone: `git fetch --unshallow`"
)


def checkout() -> Path:
    """Its sources, with its package in ``dist``; made once and kept in the lab's cache."""

    def make(target: Path) -> None:
        with tarfile.open(fileobj=io.BytesIO(_archive())) as sources:
            sources.extractall(target, filter="data")
        built = subprocess.run(
            [sys.executable, "scripts/build_deb.py"],
            cwd=target, check=False, capture_output=True, text=True, timeout=300,
        )  # fmt: skip
        if built.returncode:
            raise LabError(f"the package of {COMMIT[:7]} cannot be built:\n{built.stderr}")

    return cached("previous", COMMIT[:12], make)


def package() -> Path:
    return checkout() / f"dist/altpeter-matrix-config_{VERSION}_all.deb"


def new_dependencies(ours: Path) -> set[str]:
    """What our package depends on and that one did not."""

    def names(deb: Path) -> set[str]:
        command = ["dpkg-deb", "--field", str(deb), "Depends"]
        shown = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        return {one.split()[0].removesuffix(":any") for one in shown.split(",")}

    return names(ours) - names(package())


def _archive() -> bytes:
    command = ["git", "archive", "--format=tar", COMMIT]
    return subprocess.run(command, cwd=TOP, check=True, capture_output=True).stdout


def deploy(fleet: Fleet, debian: str) -> Deployment:
    """A server that runs it with an older Synapse, powered off, for `fleet.clone`."""
    name = f"past{debian}"
    server_name = f"{name}.test"
    often = {"per_second": 1000, "burst_count": 10000}
    unlimited = {
        "rc_message": often,
        "rc_login": {"address": often, "account": often},
        "rc_room_creation": often,
        "bcrypt_rounds": 10,  # as in test_no_request_lost
    }
    settings = lab_settings(fleet.lab, server_name, synapse=unlimited)
    host = fleet.made_before(name)
    if host is None:
        host = fleet.lab.host(name, debian=debian, dns=(server_name,))
        inventory = write_inventory(fleet.lab.state / "inventories" / name, {host: settings})
        services = fleet.lab.services
        services.publish_synapse(OLDER_SYNAPSE, debian=debian)
        try:
            run_pyinfra(inventory, "-y", top=checkout())
        finally:
            services.publish_synapse(debian=debian)
        host.run("apt-get", "-q", "update")
        shown = host.run("dpkg-query", "-W", "-f", "${Version} ", PACKAGE, UPSTREAM).stdout.split()
        assert shown[0] == VERSION and shown[1].startswith(OLDER_SYNAPSE), shown
        fleet.freeze(host)
    else:
        host.stop()
    return Deployment(host=host, settings=settings, ca_file=fleet.lab.ca_file)
