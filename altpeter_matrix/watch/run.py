"""One look, and what people are told of it: altpeter-matrix-watch.service, each five minutes."""

import os
import socket
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial

from ..apply.activation import Host
from ..apply.prepared import read_settings, settings_in_use
from ..apply.services import Services
from ..base import journal, locks
from ..base.errors import MatrixConfigError
from ..base.failures import problems_of
from ..base.locks import locked
from ..base.paths import Paths
from ..notify import login_message, outbox, policy, record
from ..notify.news import Finding, News
from ..notify.record import Record
from ..notify.ways import Sender, rules, senders
from ..settings.model import Settings
from ..status import findings
from ..status.checks import CHECKS
from ..status.findings import Status
from ..status.run import COULD_NOT_BE_ASKED, Answer, left_behind
from . import busy

_DAY = 86400.0
# After that it is no upgrade any more, but a fault.
_LONGEST_BUSY = 2 * 3600.0
_OTHER = 0.1

Look = Callable[..., Status]


def watch(
    host: Host, *, now: Callable[[], float] = time.time, look: Look = findings.status
) -> None:
    """Look, tell what changed since the last time, and what could not be told then."""
    paths = host.paths
    before = record.read(paths)
    if before.damaged:
        journal.write(
            f"{paths.notify_record}: was damaged; all that is wrong is told anew", error=True
        )
    settings = _settings(paths)
    ways = senders(paths, settings)
    known, news = _looked(host, before, settings, now(), look)
    for one in news:
        journal.write(f"{one}; {one.fault.problem.remedy}", error=one.event != "ended")
    known = outbox.queued(known, ways, news)
    # Noted first: a run that is killed while it tells may tell twice, but loses nothing.
    if known != before:
        record.write(paths, known)
    _show_at_login(paths, known)
    told = outbox.sent(known, ways, _name(settings))
    _say_failures(known, told, ways)
    if told != known:
        record.write(paths, told)


def _looked(
    host: Host, known: Record, settings: Settings | None, now: float, look: Look
) -> tuple[Record, tuple[News, ...]]:
    """What is known after a look. There is none while others make faults of their own."""
    since = known.busy or now
    patient = abs(now - since) < _LONGEST_BUSY
    if patient and busy.at_work(host.paths):
        return replace(known, busy=since), ()
    daily = _daily_due(known, now)
    found = look(host, daily=daily)
    if patient and busy.at_work(host.paths):
        return replace(known, busy=since), ()
    asked = partial(_asked, {one.check.name: one for one in found.answers})
    after, news = policy.step(known.known, found.findings, asked, rules(settings), now)
    over = known.busy if busy.at_work(host.paths) else 0.0
    daily_look = now if daily else known.daily
    return replace(known, known=after, daily=daily_look, busy=over, damaged=False), news


def _daily_due(known: Record, now: float) -> bool:
    """Once a day, and once more where one look is not enough."""
    ids = {fault for check in CHECKS if check.daily for fault in check.faults}
    names = {check.name for check in CHECKS if check.daily}
    open_ones = any(
        one.fault.id in ids
        or (one.fault.id == COULD_NOT_BE_ASKED and one.fault.problem.where in names)
        for one in policy.unsettled(known.known)
    )
    return open_ones or abs(now - known.daily) >= _DAY - 600


def _asked(answers: Mapping[str, Answer], fault: Finding) -> bool:
    """Whether all that could find the fault was asked; a check that is no more finds none."""
    if fault.id == COULD_NOT_BE_ASKED:
        answer = answers.get(fault.problem.where)
        return answer is None or _answered(answer)
    return all(_answered(one) for one in answers.values() if fault.id in one.check.faults)


def _answered(answer: Answer) -> bool:
    return answer.outcome in {"well", "found"}


def _settings(paths: Paths) -> Settings | None:
    """Nobody has to apply them for this. Where they are refused, those that the server runs with:
    that they are refused is told, too."""
    for read in (read_settings, settings_in_use):
        try:
            return read(paths)
        except (MatrixConfigError, OSError):
            continue
    return None


def _show_at_login(paths: Paths, known: Record) -> None:
    ill = (one.fault for one in known.known if one.certain and one.fault.is_ill)
    try:
        login_message.show(paths, ill)
    except OSError as error:
        for problem in problems_of(error):
            journal.write(str(problem), error=True)


def _say_failures(before: Record, after: Record, ways: tuple[Sender, ...]) -> None:
    """Once; then `status` says it."""
    for one in ways:
        failing = after.ways[one.name].failing
        if failing and not before.ways[one.name].failing:
            journal.write(f"{one.name} does not work: {failing}", error=True)


def _name(settings: Settings | None) -> str:
    return settings.server_name if settings else socket.gethostname()


def main() -> int:
    os.umask(0o022)
    paths = Paths()
    services = Services(paths)
    if not services.present:
        return 0
    try:
        with locked(paths, locks.WATCH, _OTHER):
            watch(Host(paths, services))
    except (MatrixConfigError, OSError) as error:
        for problem in problems_of(error):
            journal.write(f"watch: {problem}", error=True)
        return 1
    return 0


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    if left_behind():
        os._exit(code)  # a check hangs, and the interpreter would wait for it
    sys.exit(code)
