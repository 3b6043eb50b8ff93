"""What the catalogue says of one fault."""

from collections.abc import Iterator, Mapping
from difflib import get_close_matches

from ..base.errors import HostError, Problem
from ..base.resources import document
from .catalogue import Fault
from .checks import CHECKS

_SEVERITIES = {
    "error": "error: the server is ill",
    "warning": "warning: somebody should know",
    "unknown": "unknown: it could not be asked",
}


def explanation(faults: Mapping[str, Fault], wanted: str) -> Iterator[str]:
    """The lines of `status --explain`; HostError for an ID that is none."""
    fault = faults.get(wanted)
    if fault is None:
        near = get_close_matches(wanted, faults, 1)
        hint = f"did you mean {near[0]}?" if near else "`altpeter-matrix status --json` has the IDs"
        raise HostError(Problem(wanted, "is no ID of a fault", hint))
    name, _, anchor = fault.page.partition("#")
    where = f", `{anchor}`" if anchor else ""
    yield wanted
    yield f"  severity  {_SEVERITIES[fault.severity]}"
    yield f"  asked     {fault.asks}"
    yield f"  found     {' '.join(filter(None, (fault.where, fault.says)))}"
    yield f"  remedy    {fault.remedy}"
    yield f"  more      {document(name)}{where}"
    for check in CHECKS:
        if wanted in check.faults:
            yield f"  check     {check.name}, {'daily' if check.daily else 'at each run'}"
