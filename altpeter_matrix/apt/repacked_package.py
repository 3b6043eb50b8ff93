"""A package made again from what is installed: when no repository has the version any more."""

import shutil
from pathlib import Path

from ..base import untrusted_files
from ..base.commands import run
from ..base.errors import HostError, Problem
from ..base.paths import Paths
from ..synapse.handmade import md5, recorded_md5
from .release import Release

_CONTROL = ("preinst", "postinst", "prerm", "postrm", "config", "templates", "triggers", "shlibs",
            "md5sums")  # fmt: skip
# Of dpkg's own, not of the package.
_NOT_IN_CONTROL = {"Status", "Conffiles", "Config-Version"}


def repack(paths: Paths, release: Release, target: Path) -> Path:
    """Build the .deb of the installed version in a directory; HostError when it is not whole.

    An edited conffile is left out: dpkg then keeps the file, and still knows that it was edited.
    Packed as it is, it would pass for the packaged text, and the next version would replace it.
    """
    tree = target / "tree"
    lists = paths.package_lists
    conffiles, edited = _conffiles(paths)
    diverted = _diverted(paths, release.package)
    try:
        names = (lists / f"{release.package}.list").read_text(encoding="utf-8").splitlines()
        # Debian 12's packages have /lib/systemd, and on the host /lib is a link.
        parents = {parent for name in names for parent in Path(name).parents}
        for name in (one for one in names if one not in edited):
            place, packed = diverted.get(name, name), tree / name.lstrip("/")
            source = paths.on_host(place)
            if name in conffiles:
                # Not the file itself, which may be another one by now.
                packed.parent.mkdir(parents=True, exist_ok=True)
                packed.write_bytes(conffiles[name])
                packed.chmod(0o644)
                continue
            _copy(source.resolve() if Path(name) in parents else source, packed)
    except OSError as error:
        raise HostError(
            Problem(
                str(release), f"is not whole on this host ({error})",
                f"`apt install --reinstall {release.package}`",
            )
        ) from error  # fmt: skip
    control = tree / "DEBIAN"
    control.mkdir(mode=0o755)
    if conffiles:
        (control / "conffiles").write_text("".join(f"{one}\n" for one in conffiles), "utf-8")
    for name in _CONTROL:
        file = lists / f"{release.package}.{name}"
        if file.exists():
            shutil.copy2(file, control / name)
    # Last: dpkg may have begun to replace the files that were copied.
    (control / "control").write_text(_control(release), encoding="utf-8")
    made = target / "repacked.deb"
    run("dpkg-deb", "--build", "-Zgzip", "-z1", tree, made, timeout=600)
    shutil.rmtree(tree)
    return made


def _diverted(paths: Paths, package: str) -> dict[str, str]:
    """Where files of the package are because theirs are the places of others."""
    file = paths.package_lists.parent / "diversions"
    lines = iter(file.read_text(encoding="utf-8").splitlines() if file.exists() else ())
    return {name: place for name, place, owner in zip(lines, lines, lines, strict=True)
            if owner != package}  # fmt: skip


def _conffiles(paths: Paths) -> tuple[dict[str, bytes], set[str]]:
    """The conffiles that are as dpkg has recorded them, and those that are not, or are gone."""
    whole: dict[str, bytes] = {}
    edited = set()
    for name, recorded in recorded_md5(paths).items():
        file = paths.on_host(name)
        text = untrusted_files.contents_or_problems(paths, [file]).get(file)
        if isinstance(text, bytes) and md5(text) == recorded:
            whole[name] = text
        else:
            edited.add(name)
    return whole, edited


def _copy(source: Path, target: Path) -> None:
    if source.is_symlink():
        target.parent.mkdir(parents=True, exist_ok=True)
        target.symlink_to(source.readlink())
    elif source.is_dir():
        target.mkdir(parents=True, exist_ok=True)
        shutil.copystat(source, target)
    else:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source, target)


def _control(release: Release) -> str:
    """The control file, from dpkg's status: all fields but dpkg's own, with their long lines.

    HostError when the version is not there any more, or not as a whole.
    """
    lines = run("dpkg-query", "--status", release.package).stdout.splitlines()
    if not {"Status: install ok installed", f"Version: {release.version}"} <= set(lines):
        raise HostError(
            Problem(
                str(release), "was replaced while it was packed", "nothing: it is tried again later"
            )
        )
    fields: list[list[str]] = []
    for line in lines:
        if line.startswith(" ") and fields:
            fields[-1].append(line)
        elif ":" in line:
            fields.append([line])
    kept = [field for field in fields if field[0].partition(":")[0] not in _NOT_IN_CONTROL]
    return "".join(f"{line}\n" for field in kept for line in field)
