"""Build the packages of one Debian release in one overlay of its base image."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from .. import controller
from ..images import base_image, cached
from ..layers import run_in_layer
from ..layout import CACHE, RELEASES, recipe_key
from ..progress import step

RECIPE = Path(__file__).parent
# The security floor and the newest; upgrades in tests go from the first to the last.
VERSIONS = ("1.157.2", "1.163.2")
# Releases for which upstream (and so the lab) packs Synapse.
SUPPORTED = ("12", "13")


def packages(
    debian: str,
    *,
    altered: Mapping[str, str] | None = None,
    note: str = "",
    versions: Sequence[str] = VERSIONS,
) -> Path:
    """Return a directory with the ``.deb`` files of these versions for a release.

    ``altered`` appends text to packaged conffiles (``{"homeserver.yaml": "# changed\\n"}``), as
    if upstream had changed them; ``note`` is appended to the Debian revision, so that it sorts
    after the unaltered package (``"changed1"``).
    """
    suite = RELEASES[debian].codename
    changes = dict(altered or {})
    base = base_image(debian)
    key = recipe_key(base.name, repr(sorted(changes.items())), note, *versions, *_recipe_texts())
    others = "" if versions == VERSIONS else f"-{'-'.join(versions)}"
    kind = f"synapse-{suite}{note}{others}"

    def make(target: Path) -> None:
        with step(f"packing Synapse {' and '.join(versions)} for Debian {debian}"):
            environment = {"VERSIONS": " ".join(versions), "REVISION": f"+{suite}1{note}"}
            _pack(base, suite, target, changes, kind, environment)

    return cached(kind, key, make)


def _recipe_texts() -> list[str]:
    files = [RECIPE / "build.sh", *sorted((RECIPE / "debian").iterdir())]
    return [text for path in files for text in (path.name, path.read_text())]


def _pack(  # noqa: PLR0917 - keyword names would only repeat the types
    base: Path,
    suite: str,
    target: Path,
    changes: Mapping[str, str],
    kind: str,
    environment: Mapping[str, str],
) -> None:
    scratch = CACHE / f"{kind}.build"
    # Kept between builds: the wheel of psycopg2 takes longest, and downloads repeat.
    pip_cache = CACHE / f"pip-{suite}"
    shutil.rmtree(scratch, ignore_errors=True)
    inputs = scratch / "inputs"
    (inputs / "altered").mkdir(parents=True)
    pip_cache.mkdir(parents=True, exist_ok=True)
    pip = controller.pip_settings()
    (inputs / "pip.conf").write_text(pip.config)
    for name, text in changes.items():
        (inputs / "altered" / name).write_text(text)
    try:
        run_in_layer(
            [base],
            scratch / "upper",
            (RECIPE / "build.sh").read_text(),
            log=CACHE / f"{kind}.log",
            binds={RECIPE: Path("/recipe"), inputs: Path("/inputs")}
            | {path: path for path in pip.paths},
            writable_binds={target: Path("/out"), pip_cache: Path("/pip-cache")},
            env=environment,
            timeout=3600,
        )
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
