"""certbot, called by the deploy while another certbot is at work."""

import subprocess
from pathlib import Path

import pytest

from tasks.operations.certbot import patiently

BUSY = "Another instance of Certbot is already running.\nAsk for help"
CERTBOT = """#!/bin/sh
calls=$(cat {root}/calls); echo "$((calls + 1))" >{root}/calls
[ "$calls" -lt {failures} ] || exit 0
echo '{said}' >&2; exit 1
"""


def called(
    tmp_path: Path, failures: int, said: str
) -> tuple["subprocess.CompletedProcess[str]", int]:
    """How the command ended with a certbot that fails so often, and how often it was called."""
    programs = {
        "certbot": CERTBOT.format(root=tmp_path, failures=failures, said=said),
        "sleep": "#!/bin/sh\n",
    }
    for name, text in programs.items():
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    (tmp_path / "calls").write_text("0")
    command = patiently("certbot", "certonly").get_raw_value()
    done = subprocess.run(
        ["sh", "-c", f"PATH={tmp_path}:$PATH\n{command}"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    return done, int((tmp_path / "calls").read_text())


def test_another_certbot_is_waited_for(tmp_path: Path) -> None:
    done, calls = called(tmp_path, 2, BUSY)
    assert (done.returncode, done.stderr, calls) == (0, "", 3)


@pytest.mark.parametrize(("said", "calls"), [("Some challenges have failed.", 1), (BUSY, 60)])
def test_what_does_not_pass_fails_with_certbots_words(
    tmp_path: Path, said: str, calls: int
) -> None:
    done, counted = called(tmp_path, 1000, said)
    assert (done.returncode, done.stderr, counted) == (1, f"{said}\n", calls)
