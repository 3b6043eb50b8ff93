"""Whether updates come, and what keeps them away."""

from collections.abc import Iterator

from ...apt import keyring_renewal, keyrings, pins
from ..check import Check
from ..found import Found, in_own_words
from ..view import View


def keys(view: View) -> Iterator[Found]:
    for state in keyrings.states(view.paths)[0]:
        fault = "repository-key-ended" if state.stopped else "repository-key-ends"
        yield from in_own_words(fault, state.problem)


def renewal(view: View) -> Iterator[Found]:
    yield from in_own_words("repository-key-changes", keyring_renewal.last_problems(view.paths))


def held_back(view: View) -> Iterator[Found]:
    yield from in_own_words("update-held-back", (one.problem for one in pins.held(view.paths)))


CHECKS = (
    Check(
        "keys of repositories", keys, ("repository-key-ended", "repository-key-ends"), live=False
    ),
    Check("the new key of a repository", renewal, ("repository-key-changes",), live=False),
    Check("updates held back", held_back, ("update-held-back",), live=False),
)
