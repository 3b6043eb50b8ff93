"""docs/faults.md follows the catalogue."""

import subprocess
import sys
from pathlib import Path

TOP = Path(__file__).resolve().parents[3]


def test_the_page_of_faults_is_what_the_catalogue_says() -> None:
    checked = subprocess.run(
        [sys.executable, str(TOP / "scripts/faults_docs.py"), "--check"],
        check=False,
        capture_output=True,
        text=True,
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr
