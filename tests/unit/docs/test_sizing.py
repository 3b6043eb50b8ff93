"""docs/sizing.md follows the rule."""

import subprocess
import sys
from pathlib import Path

TOP = Path(__file__).resolve().parents[3]


def test_the_table_of_sizes_is_what_the_rule_says() -> None:
    checked = subprocess.run(
        [sys.executable, str(TOP / "scripts/sizing_docs.py"), "--check"],
        check=False,
        capture_output=True,
        text=True,
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr
