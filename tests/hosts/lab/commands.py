"""Run a program; when it fails, say which, how, and what it printed."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from .errors import LabError


@dataclass(frozen=True)
class Result:
    """What a finished program left behind."""

    stdout: str
    stderr: str
    returncode: int


class CommandError(LabError):
    """A program that ran and failed, or did not end in time."""

    def __init__(self, command: str | Sequence[str], result: Result, why: str) -> None:
        self.result = result
        shown = command if isinstance(command, str) else shlex.join(command)
        super().__init__(
            f"{shown if len(shown) < 2000 else shown[:2000] + ' …'}\n{why}"
            f"\n--- stdout\n{result.stdout[-6000:]}\n--- stderr\n{result.stderr[-6000:]}"
        )


# Before a command that works on mounts of its own: whatever happens to the lab's process, neither
# the command nor a mount of it is left behind.
CONTAINED = (
    *("setpriv", "--pdeathsig", "KILL"),
    *("unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"),
)


def run(
    *argv: str | Path,
    check: bool = True,
    input: str | None = None,
    timeout: float | None = 300,
    env: Mapping[str, str] | None = None,
    log: Path | None = None,
    shown: str | None = None,
) -> Result:
    """Run ``argv`` and return its output; with ``log`` the output goes to that file instead.

    ``shown`` names the command in errors, where ``argv`` would say less.
    """
    words = [str(word) for word in argv]
    try:
        if log is None:
            done = _captured(words, input, timeout, env)
        else:
            done = _logged(words, input, timeout, env, log)
    except subprocess.TimeoutExpired as late:
        result = Result(_text(late.stdout), _text(late.stderr), -1)
        raise CommandError(shown or words, result, f"did not end within {timeout} s") from late
    if check and done.returncode != 0:
        raise CommandError(shown or words, done, f"exit status {done.returncode}")
    return done


def _captured(
    words: list[str],
    text: str | None,
    timeout: float | None,
    env: Mapping[str, str] | None,
) -> Result:
    done = subprocess.run(
        words,
        input=text if text is not None else "",
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        timeout=timeout,
        env=env,
        check=False,
    )
    return Result(done.stdout, done.stderr, done.returncode)


def _logged(
    words: list[str],
    text: str | None,
    timeout: float | None,
    env: Mapping[str, str] | None,
    log: Path,
) -> Result:
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as sink:
        status = subprocess.run(
            words,
            input=(text or "").encode(),
            stdout=sink,
            stderr=subprocess.STDOUT,
            timeout=timeout,
            env=env,
            check=False,
        ).returncode
    return Result(log.read_text(errors="replace"), f"(in {log})", status)


def _text(output: bytes | str | None) -> str:
    if output is None:
        return ""
    return output if isinstance(output, str) else output.decode(errors="replace")
