"""What people are told: a fault that came, that stays, or that is over."""

import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from ..base.errors import Problem
from ..base.resources import document

Severity = Literal["error", "warning", "unknown"]
Event = Literal["new", "still", "ended"]

# `systemctl start nginx`; …
_COMMAND = re.compile(r"`([^`]+)`")
_MOST_IN_TITLE = 150
_EVENTS: tuple[Event, ...] = ("new", "still", "ended")


@dataclass(frozen=True)
class Finding:
    """A fault that is there, as `status` finds it. page: the document that tells more."""

    id: str
    severity: Severity
    problem: Problem
    page: str

    @property
    def key(self) -> tuple[str, str]:
        """The same fault at the same place at another time has the same."""
        return self.id, self.problem.where

    @property
    def command(self) -> str | None:
        """What ends it, where a command does."""
        match = _COMMAND.match(self.problem.remedy)
        return match[1] if match else None

    @property
    def is_ill(self) -> bool:
        return self.severity != "warning"


@dataclass(frozen=True)
class News:
    """What became of a fault. time: seconds since 1970."""

    event: Event
    fault: Finding
    time: float

    def __str__(self) -> str:
        word = self.fault.severity if self.event == "new" else self.event
        return f"{word}: {self.fault.problem.where}: {self.fault.problem.what}"

    def as_json(self) -> dict[str, Any]:
        problem = self.fault.problem
        return {
            "event": self.event, "id": self.fault.id, "severity": self.fault.severity,
            "where": problem.where, "what": problem.what, "remedy": problem.remedy,
            "time": _utc(self.time),
        }  # fmt: skip


@dataclass(frozen=True)
class Message:
    """What goes out by a way. urgent: the server is ill."""

    title: str
    text: str
    urgent: bool = False
    news: tuple[News, ...] = ()


def message(host: str, news: Sequence[News]) -> Message:
    """All that is to be told at once. host: whose news they are."""
    ordered = sorted(news, key=lambda one: (_EVENTS.index(one.event), not one.fault.is_ill))
    said = str(ordered[0])
    if len(ordered) > 1:
        counts = {event: sum(one.event == event for one in ordered) for event in _EVENTS}
        said = ", ".join(f"{count} {event}" for event, count in counts.items() if count)
    title = f"[{host}] {' '.join(said.split())}"
    if len(title) > _MOST_IN_TITLE:
        title = f"{title[: _MOST_IN_TITLE - 1]}…"
    text = "\n".join(line for one in ordered for line in _lines(one))
    urgent = any(one.event != "ended" and one.fault.is_ill for one in ordered)
    return Message(title, f"{text}`altpeter-matrix status` tells more.\n", urgent, tuple(ordered))


def _lines(news: News) -> Iterator[str]:
    problem = news.fault.problem
    yield f"{_utc(news.time)}  {news}"
    if news.event != "ended":
        yield f"  What to do: {problem.remedy}"
        page, _, _ = news.fault.page.partition("#")
        yield f"  More: {document(page)}, `altpeter-matrix status --explain {news.fault.id}`"
    yield ""


def _utc(moment: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(moment))
