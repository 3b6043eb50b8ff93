"""Programs that run for hours: watched meanwhile, ended in good order, and one fed by another."""

import os
import select
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from typing import IO, cast

from ..base.commands import Result
from ..base.errors import HostError, Problem

Watch = Callable[[], None]  # raises what ends the work

_PART = 1024**2
_LOOK_EVERY = 1.0
_PATIENCE = 10.0  # for a program that was asked to end; restic may still wait for its input
_MOST_SAID = 64 * 1024


class Program:
    """A running program with its errors in a file; leaving the context ends it."""

    def __init__(
        self,
        argv: Sequence[str],
        variables: Mapping[str, str],
        *,
        stdin: int = subprocess.DEVNULL,
        stdout: int | IO[bytes] = subprocess.PIPE,
    ) -> None:
        self.argv = tuple(argv)
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - as long as the program
        environment = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C.UTF-8"}
        try:
            self.process = subprocess.Popen(
                self.argv, stdin=stdin, stdout=stdout, stderr=self._errors, cwd="/",
                env={**environment, "HOME": "/root", **variables}, start_new_session=True,
            )  # fmt: skip
        except OSError as error:
            self._errors.close()
            what = f"cannot be started ({error.strerror})"
            remedy = f"install the package that brings {argv[0]}"
            raise HostError(Problem(argv[0], what, remedy)) from None

    def __enter__(self) -> "Program":
        return self

    def __exit__(self, *_: object) -> None:
        self.end()
        for stream in (self.process.stdin, self.process.stdout, self._errors):
            if stream is not None:
                with suppress(OSError):
                    stream.close()

    @property
    def input(self) -> IO[bytes]:
        return cast(IO[bytes], self.process.stdin)

    @property
    def output(self) -> IO[bytes]:
        return cast(IO[bytes], self.process.stdout)

    @property
    def said(self) -> str:
        """The end of its errors."""
        length = self._errors.seek(0, os.SEEK_END)
        self._errors.seek(max(0, length - _MOST_SAID))
        return self._errors.read().decode(errors="replace").strip()

    def wait(self, watch: Watch) -> int:
        """Its exit status."""
        while True:
            with suppress(subprocess.TimeoutExpired):
                return self.process.wait(_LOOK_EVERY)
            watch()

    def end(self) -> None:
        """First in good order: restic takes its lock away then."""
        for number in (signal.SIGINT, signal.SIGKILL):
            if self.process.poll() is not None:
                return
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, number)
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(_PATIENCE)


@dataclass(frozen=True)
class Flow:
    """What went from one program to another."""

    size: int
    sha256: str


def attended(argv: Sequence[str], variables: Mapping[str, str], watch: Watch) -> Result:
    """Run a program to its end, with its output in a file."""
    with tempfile.TemporaryFile() as output, Program(argv, variables, stdout=output) as program:
        status = program.wait(watch)
        output.seek(0)
        return Result(program.argv, status, output.read().decode(errors="replace"), program.said)


def fed(source: Program, sink: Program, watch: Watch, expected: str = "") -> Flow:
    """Give all that `source` prints to `sink`, whose input ends only when `source` has succeeded
    and, where it is known, printed what is expected (its SHA-256): else `sink` never learns that
    this was all, and is ended. HostError when either fails."""
    digest, size, listening = sha256(), 0, True
    output, looked = source.output.fileno(), time.monotonic()
    while True:
        if time.monotonic() - looked > _LOOK_EVERY:
            watch()
            looked = time.monotonic()
        if not select.select([output], [], [], _LOOK_EVERY)[0]:
            continue
        part = os.read(output, _PART)
        if not part:
            break
        digest.update(part)
        size += len(part)
        if not listening:
            continue
        try:
            sink.input.write(part)
        except BrokenPipeError:
            # pg_restore may know before its input ends that it has all.
            listening = False
            if sink.wait(watch):
                raise failed(sink) from None
    if source.wait(watch):
        raise failed(source)
    if expected and digest.hexdigest() != expected:
        what = f"has {digest.hexdigest()} as its SHA-256, and not the {expected} of the backup"
        remedy = "the repository is damaged: take an older backup, and see `restic check`"
        raise HostError(Problem("the dump of the database", what, remedy))
    with suppress(BrokenPipeError):
        sink.input.close()
    if sink.wait(watch):
        raise failed(sink)
    return Flow(size, digest.hexdigest())


def failed(program: Program) -> HostError:
    """What to raise for a program that did."""
    lines = [line.strip() for line in program.said.splitlines() if line.strip()]
    reason = " | ".join(lines[-3:]) or "no reason given"
    words = [word for word in program.argv if word not in {"runuser", "nice", "--"}]
    name = next((word for word in words if word.startswith(("pg_", "restic", "/usr"))), words[0])
    what = f"failed with status {program.process.returncode}: {reason}"
    return HostError(Problem(name.rpartition("/")[2], what, "remove the cause, then try again"))
