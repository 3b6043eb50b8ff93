"""piuparts: installed, upgraded, removed and purged, the package leaves a system as it was."""

import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from scripts import publish, repository_key
from tests.hosts.lab.commands import CONTAINED
from tests.hosts.lab.layers import overlay_options
from tests.hosts.lab.layout import LAB
from tests.package.releases import PACKAGE, release

# What stays on purpose: without the key a Synapse would not be the same server any more, and its
# package's own files say how it is called.
KEPT = (
    # Made by the programs themselves, when they were asked what they think of a configuration.
    *(f"/var/lib/nginx/{name}/" for name in ("body", "fastcgi", "proxy", "scgi", "uwsgi")),
    "/var/lib/matrix-synapse/media/",
    "/etc/matrix-synapse/homeserver.signing.key",
    "/etc/matrix-synapse/conf.d/server_name.yaml",
    "/etc/matrix-synapse/conf.d/report_stats.yaml",
)
# Mounts of its own, so that nothing of them is left behind.
RUN = 'mount -t overlay overlay -o "$1" "$2"; shift 2; exec "$@"'


@pytest.fixture
def scratch(debian: str) -> Iterator[Path]:
    directory = LAB / "package" / f"piuparts-{debian}"
    shutil.rmtree(directory, ignore_errors=True)
    for name in ("root", "upper", "work", "tmp"):
        (directory / name).mkdir(parents=True)
    yield directory
    shutil.rmtree(directory)


def know_previous(package: Path, root: Path) -> None:
    """Have the system's apt know a repository with the release before."""
    with tempfile.TemporaryDirectory(prefix="repo-") as place:
        folder = Path(place)
        older = release(package, "0.0.9-1", folder / "dist")
        with repository_key.no_agent_left(folder / "key"):
            key = repository_key.signing_key(folder / "key", None, root / "previous")
            publish.publish(root / "previous", [older], key, "file:///previous")
    entries = root / "etc/apt/sources.list.d"
    entries.mkdir(parents=True)
    shutil.copy(root / "previous" / publish.SOURCES_NAME, entries)


def piuparts(scratch: Path, bare: Sequence[Path], *arguments: str | Path) -> str:
    """Run it on a system with everything but our package; its log."""
    stack = overlay_options(bare, scratch / "upper", scratch / "work")
    root = scratch / "root"
    command = [
        *("piuparts", "--existing-chroot", root, "--tmpdir", scratch / "tmp"),
        *("--keep-sources-list", "--no-eatmydata", "--skip-logrotatefiles-test"),
        *(word for path in KEPT for word in ("--ignore", path)),
        *arguments,
    ]
    done = subprocess.run(
        [*CONTAINED, "sh", "-ec", RUN, "sh", stack, str(root), *map(str, command)],
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stdout[-6000:]
    return done.stdout


@pytest.mark.parametrize(
    "debian", [pytest.param("12", marks=pytest.mark.upgrades), "13"], indirect=True
)
def test_piuparts_finds_nothing_left_and_nothing_changed(
    scratch: Path, bare: list[Path], package: Path
) -> None:
    know_previous(package, scratch / "upper")
    # Installing and purging alone would be the same once more, for as long again.
    said = piuparts(scratch, bare, "--no-install-purge-test", package)
    assert re.search(rf"Unpacking {PACKAGE} \(\S+\) over \(0.0.9-1\)", said)
    assert "PASS: Installation, upgrade and purging tests" in said
