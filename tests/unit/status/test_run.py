"""Checks side by side: bounds, prerequisites, and what becomes of one that cannot be asked."""

import threading
import time
from collections.abc import Iterator

import pytest

from altpeter_matrix.base.commands import run as run_program
from altpeter_matrix.base.errors import HostError, Problem
from altpeter_matrix.base.time_limit import at_most, side_by_side, within
from altpeter_matrix.status import run
from altpeter_matrix.status.check import Check
from altpeter_matrix.status.found import Found, found
from altpeter_matrix.status.run import Answer
from altpeter_matrix.status.view import View

from ..fake_host import FakeHost
from ..host_fixtures import serving

__all__ = ["serving"]


def well(_view: View) -> Iterator[Found]:
    yield from ()


def ill(_view: View) -> Iterator[Found]:
    yield found("a-fault", where="here")


def broken(_view: View) -> Iterator[Found]:
    yield found("a-fault")
    raise KeyError("no such thing")


def refused(_view: View) -> Iterator[Found]:
    raise HostError(Problem("here", "does not answer", "look"))


def asked(serving: FakeHost, *checks: Check, daily: bool = False) -> list[Answer]:
    return run.run(View(serving.host), checks, daily=daily)


def check(name: str, look: object, *faults: str, **more: object) -> Check:
    return Check(name, look, faults, live=False, **more)  # type: ignore[arg-type]


def test_what_each_check_says(serving: FakeHost) -> None:
    answers = asked(serving, check("a", well), check("b", ill, "a-fault"))
    assert [one.outcome for one in answers] == ["well", "found"]
    assert answers[1].found == (found("a-fault", where="here"),)


def test_a_check_that_breaks_is_unknown_and_what_it_found_before_is_not_believed(
    serving: FakeHost,
) -> None:
    answers = asked(
        serving, check("a", broken, "a-fault"), check("b", refused), check("c", ill, "another")
    )
    assert [one.outcome for one in answers] == ["unknown"] * 3
    assert [one.because for one in answers] == [
        "KeyError: 'no such thing'", "here: does not answer", "it yields a-fault",
    ]  # fmt: skip
    assert {one.id for answer in answers for one in answer.found} == {"could-not-be-asked"}


def test_a_hanging_check_costs_its_bound_and_the_others_go_on(serving: FakeHost) -> None:
    end = threading.Event()

    def hangs(_view: View) -> Iterator[Found]:
        end.wait(60)
        yield from ()

    began = time.monotonic()
    answers = asked(serving, check("a", hangs, seconds=0.1), check("b", ill, "a-fault"))
    assert time.monotonic() - began < 5
    assert [one.outcome for one in answers] == ["unknown", "found"]
    assert run.left_behind()
    end.set()


def test_a_program_that_hangs_is_killed_with_its_check(serving: FakeHost) -> None:
    def starts(_view: View) -> Iterator[Found]:
        run_program("sleep", "60")
        yield from ()

    [answer] = asked(serving, check("a", starts, seconds=0.2))
    assert answer.outcome == "unknown" and "sleep" in answer.because


def test_a_dead_prerequisite_skips_all_that_depends_on_it(serving: FakeHost) -> None:
    def never(_view: View) -> Iterator[Found]:
        raise AssertionError("was asked")

    answers = asked(
        serving,
        check("a", ill, "a-fault"),
        check("b", never, "b-fault", unless=("a-fault",)),
        check("c", never, unless=("b-fault",)),
        check("d", well, unless=("d-fault",)),
    )
    assert [one.outcome for one in answers] == ["found", "skipped", "skipped", "well"]
    assert answers[2].because == "a-fault"


def test_a_prerequisite_that_could_not_be_asked_skips_nothing(serving: FakeHost) -> None:
    answers = asked(
        serving, check("a", broken, "a-fault"), check("b", ill, "b", unless=("a-fault",))
    )
    assert answers[1].outcome == "unknown", "it yields what it may not"
    answers = asked(serving, check("a", broken, "a-fault"), check("b", well, unless=("a-fault",)))
    assert answers[1].outcome == "well"


def test_daily_checks_are_asked_only_then(serving: FakeHost) -> None:
    one = check("a", ill, "a-fault", daily=True)
    assert asked(serving, one)[0].outcome == "not due"
    assert asked(serving, one, daily=True)[0].outcome == "found"


def test_on_another_root_nothing_of_this_host_is_asked(serving: FakeHost) -> None:
    [answer] = asked(serving, Check("a", ill, ("a-fault",)))
    assert answer.outcome == "not here"


def test_checks_run_side_by_side(serving: FakeHost) -> None:
    meeting = threading.Barrier(3, timeout=10)

    def meets(_view: View) -> Iterator[Found]:
        meeting.wait()
        yield from ()

    answers = asked(serving, *(check(name, meets) for name in "abc"))
    assert [one.outcome for one in answers] == ["well"] * 3


def test_what_is_shared_is_asked_once(serving: FakeHost) -> None:
    asked_for: list[View] = []

    def slowly(view: View) -> int:
        asked_for.append(view)
        time.sleep(0.05)
        return len(asked_for)

    def shares(view: View) -> Iterator[Found]:
        assert view.shared(slowly) == 1
        yield from ()

    answers = asked(serving, *(check(name, shares) for name in "abc"))
    assert [one.outcome for one in answers] == ["well"] * 3


def test_what_is_shared_and_raises_does_so_for_each(serving: FakeHost) -> None:
    view = View(serving.host)

    def fails(_view: View) -> int:
        raise HostError(Problem("here", "is broken", "look"))

    for _ in range(2):
        with pytest.raises(HostError):
            view.shared(fails)
    assert view.known(fails) is None


def test_a_limit_of_time_shortens_every_wait_in_it() -> None:
    assert at_most(10) == 10
    with within(1):
        assert 0.9 < at_most(10) <= 1
        assert at_most(0.5) == 0.5
        with within(-1):
            assert 0 < at_most(10) < 0.1


def test_what_goes_side_by_side_has_the_same_limit() -> None:
    with within(1):
        assert all(0.5 < one <= 1 for one in side_by_side(at_most, [10.0] * 9))
    assert side_by_side(at_most, []) == []
