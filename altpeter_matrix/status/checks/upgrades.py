"""A version of Synapse that is new here."""

from collections.abc import Iterator

from ...upgrade import history, report
from ..check import Check
from ..found import Found, in_own_words
from ..view import View


def trial(view: View) -> Iterator[Found]:
    for one in report.objections(history.read(view.paths)):
        fault = "upgrade-failed" if one.severity == "error" else "upgrade-watched"
        yield from in_own_words(fault, one.problem)


CHECKS = (Check("a new Synapse", trial, ("upgrade-failed", "upgrade-watched"), live=False),)
