"""Running other programs: with a time limit, and with errors that an administrator can read."""

import os
import signal
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from .errors import HostError, Problem
from .time_limit import at_most


@dataclass(frozen=True)
class Result:
    argv: tuple[str, ...]
    returncode: int
    stdout: str
    stderr: str

    @property
    def ok(self) -> bool:
        return self.returncode == 0

    @property
    def output(self) -> str:
        """Both streams: programs disagree on which one carries the reason."""
        return f"{self.stderr}\n{self.stdout}".strip()


def run(
    *argv: str | Path,
    timeout: float = 60,
    input: str | None = None,
    check: bool = True,
    variables: Mapping[str, str] = MappingProxyType({}),
) -> Result:
    """Run a program; HostError when it is missing, hangs, or (with check) fails.

    variables: of its environment, besides ours; unlike arguments no other user sees them.
    """
    timeout = at_most(timeout)
    words = tuple(str(word) for word in argv)
    environment = {
        **os.environ, "LC_ALL": "C.UTF-8", "PYTHONDONTWRITEBYTECODE": "1", **variables,
    }  # fmt: skip
    try:
        process = subprocess.Popen(
            words,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            env=environment,
            # A directory that every user may enter: runuser starts programs as others.
            cwd="/",
            start_new_session=True,
        )
    except FileNotFoundError as error:
        raise HostError(
            Problem(words[0], "the program is missing", "install the package that brings it")
        ) from error
    except PermissionError as error:
        raise HostError(
            Problem(words[0], "the program cannot be started", f"check its mode ({error.strerror})")
        ) from error
    with process:
        try:
            stdout, stderr = process.communicate(input or "", timeout=timeout)
        except subprocess.TimeoutExpired as error:
            _end(process)
            raise HostError(
                Problem(
                    words[0],
                    f"{' '.join(words[1:])!r} did not end within {timeout:.0f} s",
                    "look at the load of the host, then run `altpeter-matrix apply` again",
                )
            ) from error
        except BaseException:
            _end(process)
            raise
    result = Result(words, process.returncode, stdout, stderr)
    if check and not result.ok:
        raise HostError(
            Problem(
                " ".join(words[:4]),
                f"failed with status {result.returncode}: {last_lines(result.output)}",
                "remove the cause, then run `altpeter-matrix apply` again",
            )
        )
    return result


def _end(process: "subprocess.Popen[str]") -> None:
    """Kill a program with all that it has started: runuser alone would leave the one that hangs."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def last_lines(output: str, count: int = 3) -> str:
    """The end of an output on one line: where programs say why they stopped."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    return " | ".join(lines[-count:]) or "no output"
