"""Programs that make a repository: run them, and say what to do when they fail."""

import os
import shutil
import subprocess
from pathlib import Path

from altpeter_matrix.base.errors import HostError, Problem


def checked(command: list[str], *, text: str = "", cwd: Path | None = None) -> str:
    """What a program writes, given this text; HostError when it fails."""
    status, output, errors = run(command, text=text, cwd=cwd)
    if status:
        raise HostError(
            Problem(
                command[0],
                f"failed with status {status}: {errors.strip() or output.strip()}",
                "remove the cause, then run `make repo` again",
            )
        )
    return output


def run(command: list[str], *, text: str = "", cwd: Path | None = None) -> tuple[int, str, str]:
    """A program's status, output and errors; HostError when it is not installed."""
    if shutil.which(command[0]) is None:
        raise HostError(Problem(command[0], "is missing", "run `apt-get install apt-utils gnupg`"))
    done = subprocess.run(
        command,
        input=text,
        cwd=cwd,
        check=False,
        capture_output=True,
        encoding="utf-8",
        env={**os.environ, "LC_ALL": "C.UTF-8"},
    )
    return done.returncode, done.stdout, done.stderr
