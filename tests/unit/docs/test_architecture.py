"""docs/architecture.md follows the tree."""

import configparser
import re
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[3]
PAGE = (TOP / "docs/architecture.md").read_text()
PACKAGES = {path.parent.name for path in TOP.glob("altpeter_matrix/*/__init__.py")}
DEPLOY = {path.parent.name for path in TOP.glob("tasks/*/__init__.py")}


def section(title: str) -> str:
    return PAGE.split(f"\n## {title}\n")[1].split("\n## ")[0]


def test_every_file_that_the_page_names_is_there() -> None:
    named = re.findall(r"`((?:altpeter_matrix|files|tasks|debian|tests|scripts)/[\w./-]*)`", PAGE)
    assert len(named) > 40
    assert [name for name in named if not (TOP / name).exists()] == []


def test_where_to_change_what_names_a_file_in_every_row() -> None:
    rows = section("Where to change what").strip().splitlines()[2:]
    assert len(rows) > 20
    for row in rows:
        files = re.findall(r"`([\w./-]+)`", row.split("|")[2])
        assert files and all((TOP / file).exists() for file in files), row


@pytest.mark.parametrize(
    ("contract", "picture", "packages"), [("direction", 0, PACKAGES), ("deploy", 1, DEPLOY)]
)
def test_the_picture_has_each_package_in_the_order_of_the_contract(
    contract: str, picture: int, packages: set[str]
) -> None:
    contracts = configparser.ConfigParser()
    contracts.read(TOP / ".importlinter")
    layers = re.findall(r"\w+", contracts[f"importlinter:contract:{contract}"]["layers"])
    page = section("The packages, and their direction").split("```")[1::2][picture]
    drawn = re.findall(rf"(?:^|[└│] )({'|'.join(layers)})\b", page, re.MULTILINE)
    assert drawn == layers
    assert set(layers) == packages


def test_the_paths_name_modules_that_are_there() -> None:
    for title in ("The path of a setting", "The path of an upgrade of Synapse"):
        modules = re.findall(rf"\b(?:{'|'.join(PACKAGES)})/[a-z_]+\b", section(title))
        assert modules
        missing = [one for one in modules if not (TOP / f"altpeter_matrix/{one}.py").is_file()]
        assert missing == []


def test_the_unit_tests_are_laid_out_as_the_packages() -> None:
    folders = {path.parent.name for path in TOP.glob("tests/unit/*/__init__.py")}
    assert folders - PACKAGES == {"deploy", "docs", "harness"}
    deploy = {path.parent.name for path in TOP.glob("tests/unit/deploy/*/__init__.py")}
    assert deploy == DEPLOY - {"base"}
