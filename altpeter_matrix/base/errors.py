"""Every error that an administrator sees: what is wrong, where, and what to do next."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong.

    where: a file, and the key inside it when there is one (``settings.yaml: uploads.max_size``).
    what: what is wrong there.
    remedy: what the administrator should do next.
    """

    where: str
    what: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}; {self.remedy}"


Severity = Literal["error", "warning"]


@dataclass(frozen=True)
class Objection:
    """What a check before a change has against it: an error stops the apply, a warning is reported.

    fault: its ID in the catalogue, where `status` tells it, too (files/faults/).
    """

    severity: Severity
    problem: Problem
    fault: str = ""

    def __str__(self) -> str:
        return f"{self.severity}: {self.problem}"


def error(where: str, what: str, remedy: str, fault: str = "") -> Objection:
    """An objection that stops the apply."""
    return Objection("error", Problem(where, what, remedy), fault)


def warning(where: str, what: str, remedy: str, fault: str = "") -> Objection:
    """An objection that is only reported."""
    return Objection("warning", Problem(where, what, remedy), fault)


class MatrixConfigError(Exception):
    """Base of all errors shown to a user; carries every problem found, not only the first."""

    def __init__(self, problems: Problem | Iterable[Problem]) -> None:
        self.problems = (problems,) if isinstance(problems, Problem) else tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class SettingsError(MatrixConfigError):
    """The settings cannot be used."""


class HostError(MatrixConfigError):
    """The host lacks something, or is in a state that forbids the change."""


class ValidationError(MatrixConfigError):
    """nginx, Synapse or the linter rejected the rendered configuration."""


class ActivationError(MatrixConfigError):
    """The new configuration did not become healthy; the old one is active again."""
