"""When people are told: once, after two looks, and again each day of what stays bad."""

import time
from collections.abc import Sequence

import pytest

from altpeter_matrix.base.errors import Problem
from altpeter_matrix.notify import policy
from altpeter_matrix.notify.news import Finding, Severity
from altpeter_matrix.notify.policy import Quiet, Rules
from altpeter_matrix.notify.record import Known

DAY = 86400.0
NOON = time.mktime((2026, 11, 29, 12, 0, 0, 0, 0, -1))
NIGHT = NOON + 12 * 3600


def fault(name: str = "a", where: str = "here", severity: Severity = "error") -> Finding:
    return Finding(name, severity, Problem(where, "is bad", "repair it"), "recovery.md")


class Looks:
    """Looks in a row."""

    def __init__(self, rules: Rules | None = None) -> None:
        self.rules = rules or Rules()
        self.known: tuple[Known, ...] = ()

    def __call__(
        self, *found: Finding, at: float = NOON, unasked: Sequence[str] = ()
    ) -> list[tuple[str, str]]:
        self.known, news = policy.step(
            self.known, found, lambda one: one.id not in unasked, self.rules, at
        )
        return [(one.event, one.fault.id) for one in news]


def test_a_fault_is_told_once_when_two_looks_have_found_it() -> None:
    look = Looks()
    assert [look(fault()) for _ in range(5)] == [[], [("new", "a")], [], [], []]


def test_its_end_is_told_once_when_two_looks_have_not_found_it() -> None:
    look = Looks()
    look(fault()), look(fault())
    assert [look() for _ in range(4)] == [[], [("ended", "a")], [], []]
    assert look.known == ()


@pytest.mark.parametrize("down", [1, 2, 3])
def test_what_comes_and_goes_between_looks_tells_nothing(down: int) -> None:
    look = Looks()
    for _ in range(3):
        assert look(fault()) == []
        for _ in range(down):
            assert look() == []


def test_what_is_away_for_one_look_has_not_ended() -> None:
    look = Looks()
    look(fault()), look(fault())
    assert [look(), look(fault()), look(), look(fault())] == [[], [], [], []]


def test_what_was_not_asked_has_neither_come_nor_ended() -> None:
    look = Looks()
    look(fault())
    assert look(unasked="a") == [] and look(unasked="a") == []
    assert look(fault()) == [("new", "a")]
    assert [look(unasked="a") for _ in range(3)] == [[], [], []]
    assert [look(), look()] == [[], [("ended", "a")]]


def test_the_same_fault_elsewhere_is_another() -> None:
    look = Looks()
    look(fault()), look(fault())
    look(fault(), fault(where="there"))
    assert look(fault(), fault(where="there")) == [("new", "a")]


def test_an_error_that_stays_is_told_again_each_day_and_a_warning_is_not() -> None:
    look = Looks()
    both = (fault(), fault("b", severity="warning"))
    look(*both), look(*both)
    times = [NOON + hours * 3600 for hours in (1, 23, 24, 25, 48, 72)]
    assert [look(*both, at=at) for at in times] == [
        [], [], [("still", "a")], [], [("still", "a")], [("still", "a")],
    ]  # fmt: skip


def test_a_clock_that_was_set_back_silences_nothing() -> None:
    look = Looks()
    look(fault()), look(fault())
    assert look(fault(), at=NOON - 3 * DAY) == [("still", "a")]


def test_without_a_repeat_it_is_told_once() -> None:
    look = Looks(Rules(repeat=None))
    look(fault()), look(fault())
    assert look(fault(), at=NOON + 30 * DAY) == []


QUIET = Quiet(22 * 60, 7 * 60, errors=True)


def test_in_the_quiet_hours_errors_are_told_and_the_rest_afterwards() -> None:
    look = Looks(Rules(QUIET))
    both = (fault(), fault("b", severity="warning"))
    look(*both, at=NIGHT)
    assert look(*both, at=NIGHT) == [("new", "a")]
    assert look(*both, at=NIGHT + 6 * 3600) == []
    assert look(*both, at=NIGHT + 8 * 3600) == [("new", "b")]


def test_what_came_and_went_in_the_quiet_hours_is_not_told() -> None:
    look = Looks(Rules(Quiet(22 * 60, 7 * 60, errors=False)))
    assert look(fault(), at=NIGHT) == look(fault(), at=NIGHT) == []
    assert look(at=NIGHT) == look(at=NIGHT) == []
    assert look(at=NIGHT + 8 * 3600) == []


def test_an_end_in_the_quiet_hours_is_told_afterwards() -> None:
    look = Looks(Rules(Quiet(22 * 60, 7 * 60, errors=False)))
    look(fault()), look(fault())
    assert [look(at=NIGHT) for _ in range(3)] == [[], [], []]
    assert list(policy.unsettled(look.known)) == []
    assert look(at=NIGHT + 8 * 3600) == [("ended", "a")]


@pytest.mark.parametrize(
    ("quiet", "at", "holds"),
    [
        (Quiet(22 * 60, 7 * 60, False), NIGHT, True),
        (Quiet(22 * 60, 7 * 60, False), NOON, False),
        (Quiet(11 * 60, 13 * 60, False), NOON, True),
        (Quiet(12 * 60, 13 * 60, False), NOON, True),
        (Quiet(11 * 60, 12 * 60, False), NOON, False),
        (Quiet(11 * 60, 13 * 60, True), NOON, False),
    ],
)
def test_when_it_is_quiet(quiet: Quiet, at: float, holds: bool) -> None:
    assert quiet.holds(fault(), at) is holds


def test_what_the_next_look_has_to_ask_again() -> None:
    look = Looks()
    look(fault())
    assert len(list(policy.unsettled(look.known))) == 1
    look(fault())
    assert list(policy.unsettled(look.known)) == []
    look()
    assert len(list(policy.unsettled(look.known))) == 1
