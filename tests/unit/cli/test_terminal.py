"""What a person at a terminal sees, and that nobody else sees anything of it."""

import os
import pty
import subprocess
import sys
import threading
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from altpeter_matrix.apply.last_apply import Outcome
from altpeter_matrix.base.errors import Problem
from altpeter_matrix.base.text import visible
from altpeter_matrix.cli import support, terminal
from altpeter_matrix.notify.news import Finding
from altpeter_matrix.status import findings
from altpeter_matrix.status.text import text
from altpeter_matrix.upgrade import history
from altpeter_matrix.upgrade.report import lines

from ..fake_host import NAME, FakeHost
from ..host_fixtures import serving
from ..upgrade.test_history import BOOK, ENTRY
from .window import HOSTILE, SHOWN, Window, loaded, plain, run, window, without_rich

__all__ = ["serving", "window", "without_rich"]

STATUS = findings.Status(
    generation=7,
    last_apply=Outcome(time="2026-01-31T12:00:00Z", ok=True),
    packages={"nginx": "1.22.1-9"},
    units={"nginx.service": "active (running)"},
    certificate={"placeholder": False, "days_left": 60},
    pending=False,
    findings=(
        Finding("no-answer", "error", Problem("nginx", f"says {HOSTILE}", "run `nginx -t`"), ""),
        Finding("own-backup-old", "warning", Problem("backup", "is old", "make one"), ""),
    ),
)


def test_text_of_others_controls_no_terminal() -> None:
    assert visible(HOSTILE) == SHOWN
    assert visible("Grüße, «secret»\n\tx \udcff\u00a0") == "Grüße, «secret»\n\tx \\udcff\\xa0"


def test_status_at_a_terminal_begins_with_what_is_to_be_done(
    serving: FakeHost, window: Window, monkeypatch: pytest.MonkeyPatch
) -> None:
    window.use(monkeypatch)
    monkeypatch.setattr(findings, "status", lambda _host, **_options: STATUS)
    assert run(serving, monkeypatch, "status") == 1
    assert "\x1b[31merror: \x1b[0m" in window.screen
    assert "\x1b[33mnotice: \x1b[0m" in window.screen
    rows = [line.rstrip() for line in plain(window.screen).splitlines()]
    assert rows == [
        "NOT HEALTHY",
        f"error: nginx: says {SHOWN}",
        "       run `nginx -t`",
        "notice: backup: is old",
        "        make one",
        "generation     7",
        "last apply     2026-01-31T12:00:00Z, succeeded",
        "nginx          1.22.1-9",
        "nginx.service  active (running)",
        "certificate    certbot's, 60 days left",
    ]


def test_status_for_a_program() -> None:
    assert text(STATUS) == (
        "NOT HEALTHY\n"
        f"error: nginx: says {HOSTILE}; run `nginx -t`\n"
        "notice: backup: is old; make one\n"
        "  generation                7\n"
        "  last apply                2026-01-31T12:00:00Z, succeeded\n"
        "  nginx                     1.22.1-9\n"
        "  nginx.service             active (running)\n"
        "  certificate               certbot's, 60 days left"
    )
    assert text(replace(STATUS, findings=(), generation=None)).startswith(
        "healthy\n  generation                none\n"
    )


@pytest.mark.parametrize(("name", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_no_colour_where_none_is_wanted(
    serving: FakeHost, window: Window, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    window.use(monkeypatch)
    monkeypatch.setenv(name, value)
    monkeypatch.setattr(findings, "status", lambda _host, **_options: STATUS)
    run(serving, monkeypatch, "status")
    assert "NOT HEALTHY" in window.screen
    assert "\x1b" not in window.screen


def test_upgrades_at_a_terminal(
    serving: FakeHost, window: Window, monkeypatch: pytest.MonkeyPatch
) -> None:
    window.use(monkeypatch)
    hostile = replace(ENTRY, reason=Problem("log", f"{HOSTILE}", "look"))
    history.write(serving.paths, replace(BOOK, entries=(hostile,)))
    assert run(serving, monkeypatch, "upgrades") == 0
    said = plain(window.screen)
    assert said.splitlines()[0].split() == ["began", "upgrade", "what", "became", "of", "it"]
    for word in (ENTRY.began, "1.0 -> 2.0", "UNDONE", "held: 12", "is being undone", "[red]not"):
        assert word in said


def test_upgrades_for_a_program_are_what_they_always_were() -> None:
    assert list(lines(BOOK)) == [
        "2026-01-31T12:00:00Z  matrix-synapse-py3 1.0 -> 2.0  "
        "UNDONE: the version before serves again",
        "    watched for 70 s; requests held: 12, failed: unknown",
        "    why: /versions: answers 500",
        "2026-01-31T12:00:00Z  matrix-synapse-py3 1.0 -> 2.0  is being undone",
    ]
    assert list(lines(history.Book())) == ["There was no upgrade yet."]


def test_generations_at_a_terminal(
    serving: FakeHost, window: Window, monkeypatch: pytest.MonkeyPatch
) -> None:
    window.use(monkeypatch)
    (serving.paths.generations / "1/nginx/site.conf").write_text("# mine\n")
    assert run(serving, monkeypatch, "generations") == 0
    heading, row = plain(window.screen).splitlines()
    assert heading.split() == ["number", "made", "by", "version", "state"]
    assert row.split()[0] == "1"
    assert row.split()[-2:] == ["current,", "damaged"]


def test_errors_and_differences_at_a_terminal(
    serving: FakeHost, window: Window, monkeypatch: pytest.MonkeyPatch
) -> None:
    window.use(monkeypatch)
    serving.settings(f"server_name: {NAME}\npresense: true\n")
    assert run(serving, monkeypatch, "diff") == 1
    support.tell_difference(["--- a", "+++ b", "@@ -1 +1 @@", "-[red]x", "+\x1b[2Jy", " z"])
    said = window.screen
    assert "did you mean presence?" in plain(said)
    assert "\x1b[31m-[red]x" in said
    assert "\x1b[32m+\\x1b[2Jy" in said


@pytest.mark.usefixtures("without_rich")
def test_what_shows_nothing_does_not_load_what_would_show_it(
    serving: FakeHost, window: Window, monkeypatch: pytest.MonkeyPatch
) -> None:
    window.use(monkeypatch)
    assert run(serving, monkeypatch, "apply") == 0
    assert run(serving, monkeypatch, "apply", "--dry-run") == 0
    run(serving, monkeypatch, "status", "--json")
    assert not loaded()
    assert window.screen.startswith("Nothing to do: generation 1 is active.\n")


def test_the_commands_do_not_load_it_beforehand() -> None:
    commands = "import altpeter_matrix.cli.main, altpeter_matrix.apply.up_to_date, sys"
    subprocess.run([sys.executable, "-c", f"{commands}; sys.exit('rich' in sys.modules)"],
                   check=True)  # fmt: skip


def test_a_command_in_a_remedy_can_be_copied_from_a_narrow_terminal(
    window: Window, monkeypatch: pytest.MonkeyPatch
) -> None:
    window.use(monkeypatch)
    monkeypatch.setenv("COLUMNS", "40")
    remedy = "run `apt install --reinstall matrix-synapse-py3`, then `altpeter-matrix apply`"
    support.say("error", [Problem("matrix-synapse-py3", "is not whole", remedy)])
    assert f"       {remedy}\n" in plain(window.screen)


@pytest.mark.usefixtures("without_rich")
def test_a_file_or_pipe_gets_plain_lines(
    serving: FakeHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setattr(findings, "status", lambda _host, **_options: STATUS)
    target = tmp_path / "said"
    with target.open("w") as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        run(serving, monkeypatch, "status")
        with terminal.steps(stream) as say:
            say("Stopping Synapse.")
    said = target.read_text()
    assert said.startswith("NOT HEALTHY\nerror: nginx: says ")
    assert said.endswith("60 days left\nStopping Synapse.\n")
    assert not loaded()


@pytest.mark.usefixtures("without_rich")
def test_a_maintainer_script_gets_plain_lines(
    window: Window, monkeypatch: pytest.MonkeyPatch
) -> None:
    """apt keeps what is written to its terminal."""
    window.use(monkeypatch)
    monkeypatch.setenv("DPKG_MAINTSCRIPT_NAME", "postinst")
    support.say("error", [Problem("a", "b", "c")])
    assert window.screen == "error: a: b; c\n"
    assert not loaded()


def test_a_host_whose_upgrade_was_interrupted_gets_plain_lines(
    window: Window, monkeypatch: pytest.MonkeyPatch
) -> None:
    window.use(monkeypatch)
    for name in [one for one in sys.modules if one.startswith("rich.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "rich", None)
    support.say("error", [Problem("a", "b", "c")])
    assert window.screen == "error: a: b; c\n"


def test_the_time_of_a_step_runs_below_it(window: Window, monkeypatch: pytest.MonkeyPatch) -> None:
    window.use(monkeypatch)
    with terminal.steps(window.stream) as say:
        say(f"Copying {HOSTILE}.")
        print("Waiting for another.", file=sys.stderr)
        threading.Event().wait(1.2)
    said = window.screen
    for expected in (f"Copying {SHOWN}.\n", "Waiting for another.\n", "0:00:00", "0:00:01"):
        assert expected in said
    assert said.rindex("\x1b[?25h") > said.rindex("\x1b[?25l"), "the cursor stays hidden"


def test_steps_without_colour_or_movement(window: Window, monkeypatch: pytest.MonkeyPatch) -> None:
    window.use(monkeypatch)
    monkeypatch.setenv("TERM", "dumb")
    with terminal.steps(window.stream) as say:
        say("Stopping Synapse.")
        say("Starting Synapse.")
    assert plain(window.screen).split("\n")[:2] == ["Stopping Synapse.", "Starting Synapse."]


@pytest.mark.parametrize("kind", ["terminal", "pipe"])
def test_what_nobody_can_be_told_of_is_done_all_the_same(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lost connection: going back to the old database must not end at the words about it."""
    monkeypatch.setenv("TERM", "xterm")
    reader, writer = pty.openpty() if kind == "terminal" else os.pipe()
    stream = os.fdopen(writer, "w")
    done = False
    with terminal.steps(stream) as say:
        os.close(reader)
        for number in range(3):
            say(f"step {number}")
        done = True
    assert done
    with suppress(OSError):
        stream.close()
