"""The faults that are made on hosts are those of the catalogue."""

from altpeter_matrix.status.checks import CHECKS, catalogue
from tests.hosts.faults import made, not_made


def test_each_fault_is_made_or_it_is_said_why_not() -> None:
    assert {*made(), *not_made()} == set(catalogue())
    assert not set(made()) & set(not_made())
    assert all(not_made().values())


def test_those_that_are_asked_daily_are_looked_for_daily() -> None:
    daily = {one for check in CHECKS for one in check.faults if check.daily}
    assert {one for one, how in made().items() if how.daily} == daily & set(made())


def test_what_comes_beside_a_fault_is_one_too() -> None:
    assert {one for how in made().values() for one in how.beside} <= set(catalogue())
