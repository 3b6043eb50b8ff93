"""What can be wrong with a server, as data: files/faults/SUBJECT.yaml, one file for each module of
`checks`. docs/faults.md is made from them (`make docs`)."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, cast

import yaml

from ..base.resources import resource
from ..notify.news import Severity

_NAMED = re.compile(r"{(\w+)}")


@dataclass(frozen=True)
class Fault:
    """One kind of fault. In `where`, `says` and `remedy` stand values by their names: {unit}.

    id: stable, monitoring goes by it.
    severity: error: the server is ill; warning: it will be, or somebody should know; unknown: it
        could not be asked.
    asks: the question, in a line.
    where, says: the place, and what is wrong there. `where` is empty where another part of this
        package finds the fault, and says it in its own words; the rest is about such words then.
    remedy: what to do next. One that begins with a command in backticks is ended by that command.
    page: what tells more, in docs/.
    """

    id: str
    severity: Severity
    asks: str
    says: str
    remedy: str
    page: str
    where: str = ""

    @property
    def values(self) -> frozenset[str]:
        """The names of the values that a text of this fault needs."""
        return frozenset(_NAMED.findall(f"{self.where} {self.says} {self.remedy}"))

    @property
    def own_words(self) -> bool:
        """Whether what finds it says it in its own words."""
        return not self.where


def read(subjects: Iterable[str]) -> dict[str, Fault]:
    """The faults of some subjects, by their IDs."""
    return {
        one: Fault(one, **_entry(entry))
        for subject in subjects
        for one, entry in load(resource(f"faults/{subject}.yaml").read_text("utf-8")).items()
    }


def load(text: str) -> Mapping[str, Mapping[str, Any]]:
    """One file of the catalogue. By libyaml, as this is read each few minutes."""
    read = yaml.load(text, Loader=_LOADER)  # nosec B506: safe by either name
    return cast(Mapping[str, Mapping[str, Any]], read)


def _entry(entry: Mapping[str, Any]) -> Mapping[str, Any]:
    # A text may be folded over lines.
    return {key: " ".join(str(value).split()) for key, value in entry.items()}


_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
