"""Build a package of one version for one Debian release, in an overlay of its base image."""

from __future__ import annotations

import shutil
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


def package(debian: str, version: str = VERSIONS[-1]) -> Path:
    """Return the ``.deb`` of this version for a release, building it on first use."""
    suite = RELEASES[debian].codename
    workshop = workshop_layers(debian)
    key = recipe_key(workshop[0].parent.name, *_recipe_texts())
    kind = f"synapse-{suite}-{version}"

    def make(target: Path) -> None:
        with step(f"packing Synapse {version} for Debian {debian}"):
            _pack(workshop, suite, version, target)

    (found,) = cached(kind, key, make).glob("*.deb")
    return found


def workshop_layers(debian: str) -> list[Path]:
    """Return the layers in which Synapse is packed for a release, topmost first."""
    suite, base = RELEASES[debian].codename, base_image(debian)
    script = (RECIPE / "workshop.sh").read_text()
    kind = f"workshop-{suite}"

    def make(target: Path) -> None:
        with step(f"tools to pack Synapse for Debian {debian}"):
            run_in_layer([base], target / "upper", script, log=CACHE / f"{kind}.log")

    return [cached(kind, recipe_key(base.name, script), make) / "upper", base]


def _recipe_texts() -> list[str]:
    files = [RECIPE / "build.sh", *sorted((RECIPE / "debian").iterdir())]
    return [text for path in files for text in (path.name, path.read_text())]


def _pack(workshop: list[Path], suite: str, version: str, target: Path) -> None:
    kind = f"synapse-{suite}-{version}"
    scratch = CACHE / f"{kind}.build"
    # Kept between builds: downloads repeat.
    pip_cache = CACHE / f"pip-{suite}"
    shutil.rmtree(scratch, ignore_errors=True)
    inputs = scratch / "inputs"
    inputs.mkdir(parents=True)
    pip_cache.mkdir(parents=True, exist_ok=True)
    pip = controller.pip_settings()
    (inputs / "pip.conf").write_text(pip.config)
    try:
        run_in_layer(
            workshop,
            scratch / "upper",
            (RECIPE / "build.sh").read_text(),
            log=CACHE / f"{kind}.log",
            binds={RECIPE: Path("/recipe"), inputs: Path("/inputs")}
            | {path: path for path in pip.paths},
            writable_binds={target: Path("/out"), pip_cache: Path("/pip-cache")},
            env={"VERSION": version, "REVISION": f"+{suite}1"},
            timeout=3600,
        )
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
