"""A person at a terminal of a host, who notes down every question and answers the expected ones."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass

import pexpect

from .lab import Host

# The questions of apt and of dpkg, whatever the package; anything else that waits for an answer
# shows as silence.
KNOWN_PROMPTS = (r"\[Y/n\] ", r"\[y/N\] ", r"\(Y/I/N/O/D/Z\) \[default=N\] \? ")
SILENCE = 120


@dataclass(frozen=True)
class Conversation:
    """What was on the screen, and the questions of it, in order."""

    questions: tuple[str, ...]
    screen: str


def converse(host: Host, command: str, answers: Mapping[str, str]) -> Conversation:
    """Run a command in a terminal of the host and answer its questions.

    answers: what to type at which prompt (a regular expression for the end of the output).
    Raises AssertionError for a question without an answer, for SILENCE seconds without output and
    for a failure of the command; the message has the end of the screen.
    """
    prompts = [*answers, *(prompt for prompt in KNOWN_PROMPTS if prompt not in answers)]
    argv = [*host.ssh_argv, "-tt", f"TERM=xterm {command}"]
    terminal = pexpect.spawn(
        argv[0], argv[1:], encoding="utf-8", timeout=SILENCE, dimensions=(40, 120), echo=False
    )
    asked: list[str] = []
    screen = ""
    try:
        while True:
            met = terminal.expect([pexpect.EOF, pexpect.TIMEOUT, *(f"{p}$" for p in prompts)])
            screen += _text(terminal)
            if met == 0:
                break
            assert met > 1, f"silence at a terminal, perhaps a question:\n{screen[-1500:]}"
            prompt = prompts[met - 2]
            assert prompt in answers, f"a question nobody expected:\n{screen[-1500:]}"
            asked.append(prompt)
            terminal.sendline(answers[prompt])
    finally:
        terminal.close(force=True)
    status = terminal.exitstatus
    assert status == 0, f"{shlex.join(argv[-1:])} ended with {status}:\n{screen[-1500:]}"
    return Conversation(tuple(asked), screen)


def _text(terminal: pexpect.spawn[str]) -> str:
    after = terminal.after if isinstance(terminal.after, str) else ""
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", f"{terminal.before or ''}{after}")
