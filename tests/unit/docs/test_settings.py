"""docs/settings.md follows the schema."""

import json
import subprocess
import sys
from pathlib import Path

TOP = Path(__file__).resolve().parents[3]


def test_the_settings_page_is_what_the_schema_says() -> None:
    checked = subprocess.run(
        [sys.executable, str(TOP / "scripts/settings_docs.py"), "--check"],
        check=False,
        capture_output=True,
        text=True,
    )
    assert checked.returncode == 0, checked.stdout


def test_every_setting_has_a_heading() -> None:
    page = (TOP / "docs/settings.md").read_text().splitlines()
    schema = json.loads((TOP / "files/settings.schema.json").read_text())
    for name, setting in schema["properties"].items():
        assert f"## {name}" in page
        for inner in setting.get("properties", {}):
            assert f"### {name}.{inner}" in page
