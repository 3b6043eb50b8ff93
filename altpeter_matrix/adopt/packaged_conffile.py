"""The text that a conffile of Synapse's package had when it was installed.

dpkg keeps its MD5 and not the text, so the text comes from what dpkg left beside the file, from
apt's cache, or from the repository, and counts only when its MD5 is the recorded one.
"""

import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

from ..apt import download
from ..base import untrusted_files
from ..base.commands import run
from ..base.errors import HostError, Problem
from ..base.paths import Paths
from ..synapse.handmade import md5, recorded_md5, synapse_package


def packaged(paths: Paths, *conffiles: Path) -> dict[Path, bytes]:
    """The texts by path. HostError when one cannot be had."""
    recorded = recorded_md5(paths)
    wanted = {path: recorded.get(f"/{path.relative_to(paths.root)}") for path in conffiles}
    found: dict[Path, bytes] = {}
    for source in _sources(paths, list(conffiles)):
        for path, content in source.items():
            if wanted.get(path) == md5(content):
                found.setdefault(path, content)
        if found.keys() == wanted.keys():
            return found
    missing = ", ".join(str(path) for path in wanted if path not in found)
    raise HostError(
        Problem(
            missing, "its packaged text is neither in apt's cache nor in a repository",
            f"run `apt update`, or upgrade {synapse_package(paths)}, then adopt",
        )
    )  # fmt: skip


def _sources(paths: Paths, conffiles: list[Path]) -> Iterator[dict[Path, bytes]]:
    """Cheapest first."""
    for suffix in ("", ".dpkg-dist", ".dpkg-new"):
        beside = {path: path.with_name(path.name + suffix) for path in conffiles}
        found = untrusted_files.contents_or_problems(paths, beside.values())
        yield {
            path: text for path, one in beside.items() if isinstance(text := found.get(one), bytes)
        }
    package = synapse_package(paths)
    if package is None:
        return
    version = run("dpkg-query", "--show", "--showformat=${Version}", package).stdout
    escaped = version.replace(":", "%3a")
    # A package that is kept for going back may be repacked, with the edit in it: its MD5 tells.
    kept = paths.kept_packages.glob(f"{package}_{escaped}.deb")
    cached = paths.on_host("/var/cache/apt/archives").glob(f"{package}_{escaped}_*.deb")
    for archive in (*kept, *cached):
        yield _from_archive(paths, archive, conffiles)
    directory = Path(tempfile.mkdtemp(prefix="altpeter-matrix-download-"))
    try:
        yield _from_archive(paths, download.fetch(paths, package, version, directory), conffiles)
    except HostError:
        return  # `packaged` says what is missing
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _from_archive(paths: Paths, archive: Path, conffiles: list[Path]) -> dict[Path, bytes]:
    names = {f"./{path.relative_to(paths.root)}": path for path in conffiles}
    found: dict[Path, bytes] = {}
    with subprocess.Popen(
        ["dpkg-deb", "--fsys-tarfile", archive],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    ) as unpacking:  # fmt: skip
        try:
            # As a stream: unpacked, the package is some hundred megabytes.
            with tarfile.open(fileobj=unpacking.stdout, mode="r|") as tar:
                for member in tar:
                    content = tar.extractfile(member) if member.name in names else None
                    if content is not None:
                        found[names[member.name]] = content.read()
                    if len(found) == len(names):
                        break
        except tarfile.TarError:
            pass  # no archive, or not a whole one: another source may have it
        finally:
            unpacking.kill()
    return found
