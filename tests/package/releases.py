"""Further releases of the package, as a publisher would have them: other versions of one build."""

import subprocess
import tempfile
from pathlib import Path

PACKAGE = "altpeter-matrix-config"


def release(package: Path, version: str, folder: Path) -> Path:
    """The package with another version; its nginx site tells by a comment which one rendered it."""
    target = folder / f"{PACKAGE}_{version}_all.deb"
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        tree = Path(scratch) / "tree"
        subprocess.run(["dpkg-deb", "--raw-extract", package, tree], check=True)
        control = tree / "DEBIAN/control"
        lines = control.read_text().splitlines()
        lines = [f"Version: {version}" if x.startswith("Version: ") else x for x in lines]
        control.write_text("\n".join(lines) + "\n")
        site = tree / f"usr/share/{PACKAGE}/nginx/site.conf.j2"
        site.write_text(f"{site.read_text()}# release {version}\n")
        subprocess.run(
            ["dpkg-deb", "--root-owner-group", "--build", tree, target],
            check=True,
            stdout=subprocess.DEVNULL,
        )
    return target
