"""What a person reads of what is, or would be, given back."""

from collections.abc import Iterator

from ..postgresql.connection import said
from .reclaimed import Run
from .reclaiming import Plan
from .report import size_of

_NOT_NOW = "Nothing to do now: it is switched off, or something else is at work."
_NOTHING = "Nothing is worth it."


def lines(plan: Plan | None, run: Run | None) -> Iterator[str]:
    """Of what there is; with neither, nothing was done."""
    if plan is not None:
        yield from of_plan(plan)
    elif run is not None:
        yield from of_run(run)
    else:
        yield _NOT_NOW


def of_plan(plan: Plan) -> Iterator[str]:
    """What a run would do; sizes are estimates."""
    for unfinished in plan.unfinished:
        yield f"remove index {said(unfinished.name[1])}, half made: {size_of(unfinished.size)}"
    for table in plan.uncleaned:
        yield f"clean up table {said(table.name[1])}: {table.dead} removed rows"
    for index in plan.indexes:
        yield (
            f"rebuild index {said(index.name[1])}: {size_of(index.size)}, about"
            f" {size_of(index.expected)} when new"
        )
    if not (plan.unfinished or plan.uncleaned or plan.indexes):
        yield _NOTHING
    yield from plan.notes


def of_run(run: Run) -> Iterator[str]:
    """What a run has done."""
    for one in run.given:
        if one.count:
            yield f"{one.what}: {one.count}"
        else:
            yield f"{one.what}: {size_of(one.before)} before, {size_of(one.after)} now"
    if not run.given and not run.problems and not run.left:
        yield _NOTHING
    else:
        yield f"{size_of(run.size)} given back in {run.seconds:.0f} s."
    if run.left:
        yield f"It ended early, or left something: {run.left}"
