"""Answers to the questions of other packages, given before they ask."""

from collections.abc import Generator, Mapping

from pyinfra import host
from pyinfra.api import StringCommand, operation

from ..connection.stdin import with_stdin


@operation()
def preseed(
    package: str, answers: Mapping[str, tuple[str, str]], present: Mapping[str, str]
) -> Generator[StringCommand, None, None]:
    """
    Answer questions of a package that is not installed yet.

    + package: the package that asks
    + answers: type and value for each question
    + present: the answers that debconf has already
    """
    wrong = {name: kind for name, kind in answers.items() if present.get(name) != kind[1]}
    if not wrong:
        host.noop(f"the questions of {package} are answered")
        return
    lines = [f"{package} {name} {kind} {value}" for name, (kind, value) in wrong.items()]
    yield with_stdin(StringCommand("debconf-set-selections"), "\n".join(lines))
