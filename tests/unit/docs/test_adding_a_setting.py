"""The example of docs/architecture.md, done in a copy of the tree as the page says."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[3]
PAGE = (TOP / "docs/architecture.md").read_text().split("## Adding a setting\n")[1]
SHOW = """
from unittest.mock import Mock
from altpeter_matrix.render.synapse_config import options
from altpeter_matrix.settings.model import parse_settings_text
text = "server_name: example.org\\nuploads: {max_pending: %s}\\n"
settings = parse_settings_text(text, source="settings.yaml")
print(options(settings, Mock(processors=2, memory=None), None)["max_pending_media_uploads"])
"""


def example(language: str) -> str:
    found = re.search(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    assert found
    return found[1]


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    copy = tmp_path_factory.mktemp("tree")
    for name in ("altpeter_matrix", "files", "scripts", "docs"):
        shutil.copytree(TOP / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    file = copy / "files/settings.schema.json"
    schema = json.loads(file.read_text())
    schema["properties"]["uploads"]["properties"] |= json.loads("{" + example("json") + "}")
    file.write_text(json.dumps(schema))
    file = copy / "altpeter_matrix/settings/model.py"
    group = "class Uploads:\n"
    file.write_text(file.read_text().replace(group, f"{group}    {example('python').strip()}\n"))
    return copy


def run(tree: Path, *command: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-B", *command], cwd=tree, check=False, capture_output=True, text=True
    )


def test_the_new_setting_is_an_option_of_synapse(tree: Path) -> None:
    assert run(tree, "-c", SHOW % "7").stdout == "7\n"


def test_a_wrong_value_is_refused_at_its_key(tree: Path) -> None:
    assert "settings.yaml: uploads.max_pending: " in run(tree, "-c", SHOW % "0").stderr


def test_the_settings_page_has_it(tree: Path) -> None:
    assert run(tree, "scripts/settings_docs.py").returncode == 0
    assert "### uploads.max_pending" in (tree / "docs/settings.md").read_text()
