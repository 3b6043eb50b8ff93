"""The history of upgrades for a person, for programs, and as findings of `status`."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from ..base.errors import Objection, error, warning
from ..base.resources import document
from .history import Book, Entry, Trial

NONE = "There was no upgrade yet."
_RESULTS = {
    "passed": "works",
    "undone": "UNDONE: the version before serves again",
    "failed": "FAILED, and could not be undone",
    "replaced": "another version came before it was judged",
}


@dataclass(frozen=True)
class Row:
    """An upgrade. well: None: it is not known yet. requests: empty for the same reason."""

    began: str
    change: str
    outcome: str
    well: bool | None
    requests: str = ""
    notes: tuple[str, ...] = ()


def as_json(book: Book) -> dict[str, Any]:
    """Times are UTC, durations seconds; null: unknown."""
    return {
        "good": None if book.good is None else asdict(book.good),
        "trial": None if book.trial is None else asdict(book.trial),
        "upgrades": [asdict(one) for one in book.entries],
    }


def lines(book: Book) -> Iterator[str]:
    if not book.entries and book.trial is None:
        yield NONE
    for row in rows(book):
        yield f"{row.began}  {row.change}  {row.outcome}"
        yield from (f"    {one}" for one in (row.requests, *row.notes) if one)


def rows(book: Book) -> Iterator[Row]:
    """The oldest first; the one that is on trial last."""
    yield from map(_entry, book.entries)
    trial = book.trial
    if trial is not None and trial.phase != "stuck":
        well = False if trial.phase == "going back" else None
        yield Row(trial.began, _change(trial), progress(trial), well)


def _entry(entry: Entry) -> Row:
    change = f"{entry.package} {entry.before or '(none)'} -> {entry.version}"
    outcome = _RESULTS.get(entry.result, entry.result)
    requests = f"requests held: {_number(entry.held)}, failed: {_number(entry.failed)}"
    watched = f"watched for {entry.seconds} s; {requests}"
    why = (f"why: {entry.reason.where}: {entry.reason.what}",) if entry.reason else ()
    well = {"passed": True, "replaced": None}.get(entry.result, False)
    return Row(entry.began, change, outcome, well, watched, (*why, *filter(None, [entry.note])))


def _number(count: int | None) -> str:
    return "unknown" if count is None else str(count)


def _change(trial: Trial) -> str:
    before = trial.before.version if trial.before else "(none)"
    return f"{trial.release.package} {before} -> {trial.release.version}"


def progress(trial: Trial) -> str:
    """What the health gate is doing with a version."""
    if trial.phase == "going back":
        return "is being undone"
    if trial.migrating:
        return "migrates the database; this takes as long as it takes, do not interrupt it"
    return "is being watched"


def objections(book: Book) -> Iterator[Objection]:
    """For `status`. What is held back says the rest."""
    trial = book.trial
    if trial is None:
        return
    where = str(trial.release)
    if trial.phase == "stuck" and (why := trial.explanation) is not None:
        yield error(where, why.what, f"{why.remedy}; see {document('undo.md')}")
    elif trial.phase == "going back":
        reason = f": {trial.reason.what}" if trial.reason else ""
        yield error(where, f"is being undone{reason}", "wait; `altpeter-matrix upgrades` tells")
    else:
        yield warning(
            where, f"{progress(trial)}, since {trial.began}",
            "nothing is to be done; `altpeter-matrix upgrades` tells how it ended",
        )  # fmt: skip
