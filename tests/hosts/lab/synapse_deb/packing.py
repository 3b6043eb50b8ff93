"""Build packages of Synapse for one Debian release, in overlays of its base image."""

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
    environment = environment_layers(debian)
    key = recipe_key(environment[0].parent.name, *_recipe_texts())
    kind = f"synapse-{suite}-{version}"

    def make(target: Path) -> None:
        with step(f"packing Synapse {version} for Debian {debian}"):
            scratch = CACHE / f"{kind}.build"
            shutil.rmtree(scratch, ignore_errors=True)
            try:
                env = {"VERSION": version, "REVISION": f"+{suite}1"}
                _run("build.sh", environment, scratch / "upper", kind=kind, env=env, out=target)
            finally:
                shutil.rmtree(scratch, ignore_errors=True)

    (found,) = cached(kind, key, make).glob("*.deb")
    return found


def environment_layers(debian: str) -> list[Path]:
    """Return the layers with what all packages for a release are made from, topmost first."""
    suite, workshop = RELEASES[debian].codename, workshop_layers(debian)
    key = recipe_key(workshop[0].parent.name, VERSIONS[-1], _text("environment.sh"))
    kind = f"environment-{suite}"

    def make(target: Path) -> None:
        with step(f"libraries of Synapse for Debian {debian}"):
            env = {"VERSION": VERSIONS[-1]}
            _run("environment.sh", workshop, target / "upper", kind=kind, env=env)

    return [cached(kind, key, make) / "upper", *workshop]


def workshop_layers(debian: str) -> list[Path]:
    """Return the layers in which Synapse is packed for a release, topmost first."""
    suite, base = RELEASES[debian].codename, base_image(debian)
    script = _text("workshop.sh")
    kind = f"workshop-{suite}"

    def make(target: Path) -> None:
        with step(f"tools to pack Synapse for Debian {debian}"):
            run_in_layer([base], target / "upper", script, log=CACHE / f"{kind}.log")

    return [cached(kind, recipe_key(base.name, script), make) / "upper", base]


def _text(script: str) -> str:
    return (RECIPE / script).read_text()


def _recipe_texts() -> list[str]:
    files = [RECIPE / "build.sh", *sorted((RECIPE / "debian").iterdir())]
    return [text for path in files for text in (path.name, path.read_text())]


def _run(
    script: str,
    lowers: list[Path],
    upper: Path,
    *,
    kind: str,
    env: dict[str, str],
    out: Path | None = None,
) -> None:
    """Run a script of the recipe that uses pip. kind: of what is cached; out: seen as /out."""
    # Kept between builds: downloads repeat.
    cache = CACHE / f"pip-{kind.split('-')[1]}"
    cache.mkdir(parents=True, exist_ok=True)
    pip = controller.pip_settings()
    inputs = upper.with_name(f"{upper.name}.inputs")
    inputs.mkdir(parents=True)
    (inputs / "pip.conf").write_text(pip.config)
    try:
        run_in_layer(
            lowers,
            upper,
            _text(script),
            log=CACHE / f"{kind}.log",
            binds={RECIPE: Path("/recipe"), inputs: Path("/inputs")}
            | {path: path for path in pip.paths},
            writable_binds={cache: Path("/pip-cache")} | ({out: Path("/out")} if out else {}),
            env=env,
            timeout=3600,
        )
    finally:
        shutil.rmtree(inputs)
