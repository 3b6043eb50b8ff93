"""A look, and what people are told of it."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from altpeter_matrix.apply.activation import Host
from altpeter_matrix.base import journal, locks
from altpeter_matrix.base.errors import HostError, Problem
from altpeter_matrix.base.paths import Paths
from altpeter_matrix.notify import mail, record
from altpeter_matrix.notify.news import Message
from altpeter_matrix.status.check import Check
from altpeter_matrix.status.findings import Status, status
from altpeter_matrix.status.found import Found, found
from altpeter_matrix.status.view import View
from altpeter_matrix.watch import busy, run
from altpeter_matrix.watch.run import watch

from ..fake_host import FakeHost
from ..host_fixtures import serving

__all__ = ["serving"]

DAY = 86400.0


class World:
    """What is wrong with a host, what people were told of it, and what time it is."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.faults: list[str] = []
        self.daily: list[str] = []
        self.hidden = False
        self.looks: list[bool] = []
        self.now = 1_000_000.0
        self.mails: list[Message] = []
        self.refused = False
        self.lines: list[str] = []

    @property
    def paths(self) -> Paths:
        return self.host.paths

    def send(self, _paths: Paths, _settings: object, address: str, message: Message) -> None:
        if self.refused:
            raise HostError(Problem(f"mail to {address}", "refused", "look"))
        assert address == "root"
        self.mails.append(message)

    def _look(self, names: Sequence[str], _view: View) -> Iterator[Found]:
        if self.hidden:
            raise HostError(Problem("here", "does not answer", "look"))
        yield from (found(name, **VALUES[name]) for name in names)

    def look(self, host: Host, *, daily: bool) -> Status:
        self.looks.append(daily)
        checks = (
            Check("a", lambda view: self._look(self.faults, view), tuple(VALUES), live=False),
            Check(
                "b", lambda view: self._look(self.daily, view), ("disk-full",), daily=True,
                live=False,
            ),
        )  # fmt: skip
        return status(host, daily=daily, checks=checks)

    def __call__(self, *faults: str, daily: Sequence[str] = ()) -> list[str]:
        """The titles of the mails of one look."""
        self.faults, self.daily = list(faults), list(daily)
        before = len(self.mails)
        watch(self.host, now=lambda: self.now, look=self.look)
        self.now += 300
        return [one.title.partition("] ")[2] for one in self.mails[before:]]


VALUES = {
    "synapse-down": {"unit": "matrix-synapse", "state": "failed"},
    "nginx-down": {"unit": "nginx", "state": "failed"},
    "change-pending": {},
}
VALUES_DAILY = {"disk-full": {"place": "/", "least": "1 MiB"}}
VALUES |= VALUES_DAILY
DOWN = "error: matrix-synapse: is failed"
UP = "ended: matrix-synapse: is failed"


@pytest.fixture
def world(serving: FakeHost, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> World:
    world = World(serving.host)
    monkeypatch.setattr(mail, "SENDMAIL", Path("/bin/true"))
    monkeypatch.setattr(mail, "send", world.send)
    monkeypatch.setattr(journal, "write", lambda text, error: world.lines.append(text))
    monkeypatch.setattr(
        run, "CHECKS", (Check("b", lambda _: iter(()), ("disk-full",), daily=True),)
    )
    return world


def test_a_fault_and_its_end_are_told_once(world: World) -> None:
    assert [world("synapse-down") for _ in range(3)] == [[], [DOWN], []]
    assert world.paths.login_message.read_text().count("is failed") == 1
    assert [world() for _ in range(3)] == [[], [UP], []]
    assert not world.paths.login_message.exists()
    assert [line for line in world.lines if "is failed" in line] == [
        f"{DOWN}; read `journalctl -u matrix-synapse -n 50`",
        f"{UP}; read `journalctl -u matrix-synapse -n 50`",
    ]


def test_a_restart_tells_nothing(world: World) -> None:
    assert [world(), world("synapse-down", "nginx-down"), world(), world()] == [[]] * 4


def test_a_warning_is_told_and_not_shown_at_each_login(world: World) -> None:
    world("change-pending")
    (title,) = world("change-pending")
    assert title.startswith("warning: ")
    assert not world.paths.login_message.exists()


def test_what_could_not_be_asked_is_told_and_ends_nothing(world: World) -> None:
    world("synapse-down"), world("synapse-down")
    world.hidden = True
    world("synapse-down")
    (title,) = world("synapse-down")
    assert title == "unknown: a: could not be asked: here: does not answer"
    world.hidden = False
    assert world() == []
    assert [one.partition(":")[0] for one in world()] == ["2 ended"]


@pytest.mark.parametrize("kind", ["dpkg", "apply", "upgrade"])
def test_while_something_is_at_work_nobody_looks(
    world: World, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr(busy, "at_work", lambda _paths: kind)
    for _ in range(20):
        assert world("synapse-down") == []
    assert world.looks == []
    monkeypatch.undo()


def test_what_is_at_work_for_hours_keeps_nobody_from_looking(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(busy, "at_work", lambda _paths: "apt or dpkg")
    told = [world("synapse-down") for _ in range(30)]
    assert told[:24] == [[]] * 24 and [DOWN] in told
    assert record.read(world.paths).busy > 0
    monkeypatch.setattr(busy, "at_work", lambda _paths: None)
    world("synapse-down")
    assert record.read(world.paths).busy == 0


def test_a_look_during_which_something_begins_does_not_count(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = iter([None, "apt or dpkg"] * 3)
    monkeypatch.setattr(busy, "at_work", lambda _paths: next(answers))
    assert [world("synapse-down") for _ in range(3)] == [[]] * 3
    assert record.read(world.paths).known == ()


def test_a_lock_of_apply_is_work(world: World) -> None:
    assert busy.at_work(world.paths) is None
    with locks.exclusive(world.paths):
        assert busy.at_work(world.paths) == "a change of the configuration"


def test_once_a_day_all_is_asked_and_at_once_again_what_is_new_there(world: World) -> None:
    world(), world()
    assert world.looks == [True, False]
    world.now += DAY
    assert world(daily=["disk-full"]) == []
    assert len(world(daily=["disk-full"])) == 1
    assert world.looks == [True, False, True, True]
    world(daily=["disk-full"])
    assert world.looks[-1] is False
    world.now += DAY
    world()
    assert [one.partition(":")[0] for one in world()] == ["ended"]


def test_a_mail_that_was_refused_is_sent_later(world: World) -> None:
    world.refused = True
    assert [world("synapse-down") for _ in range(3)] == [[]] * 3
    assert sum("does not work" in line for line in world.lines) == 1
    world.refused = False
    assert world("synapse-down") == [DOWN]
    assert world("synapse-down") == []


def test_a_killed_run_loses_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    class Killed(BaseException):
        pass

    def dies(*_: object) -> None:
        raise Killed

    world("synapse-down")
    monkeypatch.setattr(mail, "send", dies)
    with pytest.raises(Killed):
        world("synapse-down")
    monkeypatch.setattr(mail, "send", world.send)
    assert world("synapse-down") == [DOWN]


def test_a_damaged_record_is_told_and_all_is_told_anew(world: World) -> None:
    world("synapse-down"), world("synapse-down")
    world.paths.notify_record.write_text("{")
    assert [world("synapse-down") for _ in range(2)] == [[], [DOWN]]
    assert sum("was damaged" in line for line in world.lines) == 1


def test_settings_that_are_refused_do_not_silence_it(world: World, serving: FakeHost) -> None:
    serving.settings("server_name: [")
    assert [world("synapse-down") for _ in range(2)] == [[], [DOWN]]


def test_ways_and_rules_come_from_what_is_written(world: World, serving: FakeHost) -> None:
    serving.settings("server_name: example.org\nnotify: {mail: []}\n")
    assert [world("synapse-down") for _ in range(2)] == [[], []]
    assert record.read(world.paths).ways == {}


def test_a_check_that_is_no_more_finds_nothing(world: World) -> None:
    world("synapse-down"), world("synapse-down")
    known = record.read(world.paths)
    old = replace(known.known[0].fault, id="of-another-version")
    record.write(world.paths, replace(known, known=(replace(known.known[0], fault=old),)))
    world("synapse-down")
    assert record.read(world.paths).known[-1].gone == 1
