"""Faults that are made on a real host: one module for each subject of `status`, see
altpeter_matrix/status/checks."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from types import ModuleType

from altpeter_matrix.status.checks import names


@dataclass(frozen=True)
class Made:
    """How a fault comes about.

    make: shell that makes it.
    cure: shell that ends it, where the remedy is not a command; else the one that is printed does.
    tidy: shell that puts away what the fault leaves behind besides, afterwards.
    beside: faults that come with it.
    daily: whether only the daily run asks for it.
    pretended: nothing is wrong that the remedy could end.
    """

    make: str
    cure: str = ""
    tidy: str = ""
    beside: tuple[str, ...] = ()
    daily: bool = False
    pretended: bool = False


def made() -> Mapping[str, Made]:
    """Each fault that is made, by its ID, in the order of the subjects."""
    return {one: how for module in _modules() for one, how in module.MADE.items()}


def not_made() -> Mapping[str, str]:
    """Why the others are not: where they are shown instead."""
    return {one: why for module in _modules() for one, why in module.NOT_MADE.items()}


def subject_of(fault: str) -> str:
    """The name of the module that makes a fault."""
    return next(one.__name__ for one in _modules() if fault in one.MADE)


def _modules() -> list[ModuleType]:
    return [import_module(f"{__name__}.{name}") for name in names()]
