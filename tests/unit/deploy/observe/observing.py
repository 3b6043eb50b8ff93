"""The scripts that look at a host, run on files of a test."""

import subprocess
from pathlib import Path

from tasks import observe

SCRIPTS = Path(observe.__file__).parent


def told(service: str, key: str, root: Path, variables: str = "") -> list[str]:
    """What a service's script prints under a key, on a host whose files are below root."""
    head, body = ((SCRIPTS / name).read_text() for name in ("observe.sh", f"{service}.observe.sh"))
    for top in ("/etc/", "/var/lib/"):
        body = body.replace(top, f"{root}{top}")
    fake = root / "bin/dpkg-query"
    fake.parent.mkdir()
    fake.write_text(f"#!/bin/sh\ncat {root}/conffiles\n")
    fake.chmod(0o755)
    path = f"PATH={fake.parent}:$PATH LOCK_TIMEOUT=0"
    done = subprocess.run(
        ["sh", "-c", f"{path}\n{variables}\n{head}{body}"],
        capture_output=True, text=True, check=True, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    lines = [
        line.removeprefix(f"{key} ")
        for line in done.stdout.splitlines()
        if line.startswith(f"{key} ")
    ]
    return [line.removesuffix("$").removeprefix(str(root)) for line in lines]
