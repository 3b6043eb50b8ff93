"""`altpeter-matrix usage` as it is typed."""

import json
import re
import sys
from pathlib import Path

import pytest

from altpeter_matrix.base import locks
from altpeter_matrix.base.paths import Paths
from altpeter_matrix.cli import usage as command
from altpeter_matrix.usage import reclaiming, samples, survey
from altpeter_matrix.usage.model import Usage
from altpeter_matrix.watch import busy

from ..fake_host import FakeHost
from ..host_fixtures import serving
from ..usage.fake_database import database, executed
from ..usage.looks import GIB, STOPPED, days, look
from .window import Window, loaded, plain, run, window, without_rich

__all__ = ["serving", "window", "without_rich"]


@pytest.fixture
def found(serving: FakeHost, monkeypatch: pytest.MonkeyPatch) -> list[Usage]:
    """What a look finds, with samples of twenty days before it."""
    looks = [look()]
    monkeypatch.setattr(command, "Paths", lambda: serving.paths)
    monkeypatch.setattr(survey, "survey", lambda _paths, _seconds=0: looks[0])
    for one in days(20):
        samples.add(serving.paths, one)
    return looks


@pytest.mark.usefixtures("found")
def test_at_a_terminal_it_is_a_page_with_bars(
    serving: FakeHost, window: Window, monkeypatch: pytest.MonkeyPatch
) -> None:
    window.use(monkeypatch)
    assert run(serving, monkeypatch, "usage") == 0
    screen = window.screen
    assert "\x1b[31m/srv is 95% full; at this pace full in about 2 months." in screen
    assert "\x1b[31m" + "█" * 19 + "░" in screen
    said = re.sub(r"\x1b\[\?25[lh]|\x1b\[[0-9]*[AK]|\r", "", screen)
    page = plain(said)
    for expected in (
        "Disks", "52 GiB of 80 GiB", "Where the room is", "state groups", "Largest tables",
        r"\x1b[2J[red]!room:example.org", "What could be given back", "108 GiB",
    ):  # fmt: skip
        assert expected in page, page


@pytest.mark.usefixtures("found")
@pytest.mark.parametrize("columns", ["20", "60", "80", "250"])
def test_it_fits_into_every_window(
    serving: FakeHost, window: Window, monkeypatch: pytest.MonkeyPatch, columns: str
) -> None:
    window.use(monkeypatch)
    monkeypatch.setenv("COLUMNS", columns)
    assert run(serving, monkeypatch, "usage") == 0
    bar = "█" * 8 if int(columns) < 100 else "█" * 20
    assert f"{bar}\x1b" in window.screen or int(columns) == 20


@pytest.mark.usefixtures("found")
def test_no_colour_where_none_is_wanted(
    serving: FakeHost, window: Window, monkeypatch: pytest.MonkeyPatch
) -> None:
    window.use(monkeypatch)
    monkeypatch.setenv("NO_COLOR", "1")
    run(serving, monkeypatch, "usage")
    assert not re.search(r"\x1b\[[0-9;]*3[0-9]m", window.screen)


@pytest.mark.usefixtures("found", "without_rich")
def test_a_pipe_gets_plain_lines(
    serving: FakeHost, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 0)
    assert run(serving, monkeypatch, "usage") == 0
    assert capsys.readouterr().out.startswith("/srv is 95% full; at this pace")
    assert not loaded()


def test_what_cannot_be_asked_is_said_and_the_rest_shown(
    serving: FakeHost,
    found: list[Usage],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 0)
    found[0] = look(problems=(STOPPED,))
    assert run(serving, monkeypatch, "usage") == 2
    said = capsys.readouterr()
    assert said.err == "notice: PostgreSQL database synapse: does not answer; start it\n"
    assert "Where the room is:" in said.out
    assert run(serving, monkeypatch, "usage", "--json") == 2
    assert json.loads(capsys.readouterr().out)["problems"][0]["what"] == "does not answer"


def test_json(
    serving: FakeHost,
    found: list[Usage],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 0)
    assert run(serving, monkeypatch, "usage", "--json") == 0
    said = json.loads(capsys.readouterr().out)
    assert said["file_systems"][0]["size"] == found[0].file_systems[0].size


def test_a_sample_is_noted_also_when_something_cannot_be_asked(
    serving: FakeHost, found: list[Usage], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The timer's unit must not fail each day for what `status` tells."""
    monkeypatch.setattr("os.geteuid", lambda: 0)
    serving.paths.usage_samples.unlink()
    found[0] = look(problems=(STOPPED,))
    assert run(serving, monkeypatch, "usage", "--sample") == 0
    assert samples.read(serving.paths) == (samples.of(found[0]),)


def test_bars_are_letters_where_a_terminal_has_no_others(tmp_path: Path) -> None:
    from rich.console import Console  # noqa: PLC0415

    from altpeter_matrix.cli.terminal import Terminal  # noqa: PLC0415

    with (tmp_path / "latin").open("w", encoding="latin-1") as stream:
        terminal = Terminal(Console(file=stream, width=120))
        assert terminal.bar(0.5) == "#" * 10 + "." * 10
    terminal = Terminal(Console(file=sys.stdout, width=80))
    assert [terminal.bar(share) for share in (0, 0.001, 1, 7)] == [
        "░" * 8, "█" + "░" * 7, "█" * 8, "█" * 8,
    ]  # fmt: skip


@pytest.fixture
def emptied(found: list[Usage], serving: FakeHost, monkeypatch: pytest.MonkeyPatch) -> FakeHost:
    """A server whose database has something to give back."""
    assert found
    database(serving)
    monkeypatch.setattr(reclaiming, "_free", lambda _paths: 10**12)
    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setattr(busy, "dpkg_busy", lambda _paths: False)
    return serving


def test_what_was_given_back_is_said_and_shown(
    emptied: FakeHost, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run(emptied, monkeypatch, "usage", "reclaim", "--dry-run") == 0
    assert "rebuild index large_key: 1.8 GiB, about 2.2 MiB when new\n" in capsys.readouterr().out
    assert run(emptied, monkeypatch, "usage", "reclaim", "--dry-run", "--json") == 0
    assert json.loads(capsys.readouterr().out)["indexes"][0]["name"] == ["public", "large_key"]
    assert executed(emptied) == []
    assert run(emptied, monkeypatch, "usage", "reclaim") == 0
    said = capsys.readouterr()
    assert "index large_key: 1.8 GiB before, 4.0 MiB now\n" in said.out
    assert "Rebuilding index large_key.\n" in said.err
    assert run(emptied, monkeypatch, "usage") == 0
    assert "Given back:\n" in (page := capsys.readouterr().out)
    assert "2.9 GiB" in page and "table events, index old_ccnew, half made, index large_key" in page
    assert run(emptied, monkeypatch, "usage", "--json") == 0
    [noted] = json.loads(capsys.readouterr().out)["given_back"]
    assert noted["size"] > 2 * GIB


def test_what_fails_is_said_with_a_status(
    emptied: FakeHost, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    database(emptied, **{"reindex index": "no room"})
    assert run(emptied, monkeypatch, "usage", "reclaim") == 1
    assert "error: PostgreSQL database synapse: reindex index concurrently large_key: " in (
        capsys.readouterr().err
    )


def test_beside_a_backup_nothing_is_given_back(
    emptied: FakeHost, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with locks.locked(emptied.paths, locks.BACKUP, 0):
        assert run(emptied, monkeypatch, "usage", "reclaim") == 1
        assert "does not run beside a backup" in capsys.readouterr().err
        assert run(emptied, monkeypatch, "usage", "reclaim", "--automatic") == 0
    assert capsys.readouterr().out.startswith("Nothing to do now")
    assert not (emptied.root / "asked").exists()


def test_options_of_the_page_are_none_of_what_gives_back(
    emptied: FakeHost, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run(emptied, monkeypatch, "usage", "--json", "reclaim") == 2
    assert "belong after reclaim" in capsys.readouterr().err


def test_it_needs_root(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    with pytest.raises(SystemExit):
        command.usage.main([], standalone_mode=True)
    assert "needs root" in capsys.readouterr().err
    assert Paths().usage_samples.name == "usage-samples.jsonl"
