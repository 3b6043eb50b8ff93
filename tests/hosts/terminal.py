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
CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
LONGEST_PROMPT = 200
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
    answered = 0  # how much of the screen was there at the last answer
    try:
        # Not pexpect's expect(): its timeout is for all output up to a prompt, and apt's is long.
        while text := _read(terminal, screen):
            screen = CONTROL.sub("", screen + text)
            end = screen[max(answered, len(screen) - LONGEST_PROMPT) :]
            prompt = next((one for one in prompts if re.search(f"{one}$", end)), None)
            if prompt is None:
                continue
            assert prompt in answers, f"a question nobody expected:\n{screen[-1500:]}"
            asked.append(prompt)
            answered = len(screen)
            terminal.sendline(answers[prompt])
    finally:
        terminal.close(force=True)
    status = terminal.exitstatus
    assert status == 0, f"{shlex.join(argv[-1:])} ended with {status}:\n{screen[-1500:]}"
    return Conversation(tuple(asked), screen)


def _read(terminal: pexpect.spawn[str], screen: str) -> str:
    """The next output; nothing at the end."""
    try:
        return terminal.read_nonblocking(4096)
    except pexpect.EOF:
        return ""
    except pexpect.TIMEOUT:
        raise AssertionError(
            f"silence at a terminal, perhaps a question:\n{screen[-1500:]}"
        ) from None
