"""One command gives the package, the same one wherever and whenever it runs."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.package.builds import TOP, build, copy_checkout


@pytest.fixture
def turkish(tmp_path: Path) -> dict[str, str]:
    """The environment of a language whose i and I are two letters; no machine need have it."""
    place = tmp_path / "locales"
    place.mkdir()
    subprocess.run(["localedef", "-i", "tr_TR", "-f", "UTF-8", place / "tr_TR.UTF-8"], check=True)
    environment = {"LOCPATH": str(place), "LC_ALL": "tr_TR.UTF-8"}
    # An unknown one is refused here; most programs take C instead, without a word.
    in_force = "import locale; print(locale.setlocale(locale.LC_ALL, ''))"
    said = subprocess.run(
        [sys.executable, "-c", in_force],
        env={**os.environ, **environment}, check=True, capture_output=True, text=True,
    )  # fmt: skip
    assert said.stdout.strip() == "tr_TR.UTF-8"
    return environment


def test_another_place_umask_time_zone_and_language_give_the_same_bytes(
    checkout: Path, package: Path, tmp_path: Path, turkish: dict[str, str]
) -> None:
    copy = copy_checkout(tmp_path / "somewhere else", origin=checkout)
    other = build(
        copy,
        tmp_path / "out",
        umask=0o077,
        env={"TZ": "Pacific/Auckland", "PYTHONHASHSEED": "7", **turkish},
    ).package
    assert other.name == package.name
    assert other.read_bytes() == package.read_bytes()


def test_a_changed_template_changes_the_package(
    checkout: Path, package: Path, tmp_path: Path
) -> None:
    copy = copy_checkout(tmp_path / "checkout", origin=checkout)
    schema = copy / "files/settings.schema.json"
    schema.write_text(schema.read_text() + "\n")
    other = build(copy, tmp_path / "out").package
    assert other.read_bytes() != package.read_bytes()


def test_versions_that_disagree_are_refused_with_both_named(checkout: Path, tmp_path: Path) -> None:
    copy = copy_checkout(tmp_path / "checkout", origin=checkout)
    setup = copy / "setup.cfg"
    setup.write_text(setup.read_text().replace("\nversion = ", "\nversion = 99."))
    refused = build(copy, tmp_path / "out")
    assert refused.returncode == 1
    assert "setup.cfg says version 99.0.2.0, debian/changelog 0.2.0-1" in refused.stderr
    assert not (tmp_path / "out/dist").exists()


def test_a_failing_build_shows_its_log(checkout: Path, tmp_path: Path) -> None:
    copy = copy_checkout(tmp_path / "checkout", origin=checkout)
    (copy / "files/settings.schema.json").unlink()
    failed = build(copy, tmp_path / "out")
    assert failed.returncode == 1
    assert "files/settings.schema.json" in failed.stderr
    assert "Traceback" not in failed.stderr


@pytest.fixture(scope="module")
def source(package: Path) -> Path:
    """The source package that the same build has made."""
    (found,) = (package.parents[1] / "work/deb").glob("*.dsc")
    return found


@pytest.fixture(scope="module")
def lintian(package: Path, source: Path) -> list[str]:
    """What it says of both, by letter; O: overridden, M: it knows better itself, N: on these."""
    options = ("--allow-root", "--pedantic", "--display-info", "--show-overrides")
    done = subprocess.run(
        ["lintian", *options, package, source], check=True, capture_output=True, text=True
    )
    return done.stdout.splitlines()


def test_lintian_has_nothing_to_say_however_small(lintian: list[str]) -> None:
    assert [line for line in lintian if not line.startswith(("M: ", "N: ", "O: "))] == []


def test_every_override_of_lintian_is_used_and_has_its_reason(lintian: list[str]) -> None:
    said = [line for line in lintian if line.startswith("O: ")]
    used = {line.partition(": ")[2].partition(": ")[2].split()[0] for line in said}
    overridden = set()
    for file in ("altpeter-matrix-config.lintian-overrides", "source/lintian-overrides"):
        lines = (TOP / "debian" / file).read_text().splitlines()
        assert lines[0].startswith("#"), "the reason comes first"
        overridden |= {x.partition(": ")[2].split()[0] for x in lines if not x.startswith("#")}
    assert overridden == used
