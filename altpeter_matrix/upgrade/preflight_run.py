"""Checks what apt would install, and holds back what would not serve.

Started by hand, by a timer, after each apply and apt update (altpeter-matrix-upgrade-check), and
by apt itself for a package that was never checked. Whoever starts it, the same is decided.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

from ..apply import generation_secrets, host_facts, input_fingerprint
from ..apply.activation import Host
from ..apply.generations import Store
from ..apply.last_apply import Record
from ..apt import candidates, pins
from ..apt.candidates import Offer, is_newer
from ..base import journal
from ..base.accounts import read_accounts
from ..base.errors import HostError, Problem
from ..base.failures import problems_of
from ..base.locks import UPGRADE_CHECK, exclusive, locked
from ..base.paths import SYNAPSE_OPTIONS, Paths
from ..host.facts import Synapse
from . import preflight, preflight_result
from .preflight_result import PreflightResult

Say = Callable[[str], None]
_ROUNDS = 5
# For another check, which takes seconds; a slow download makes minutes of them.
_PATIENCE = 300.0


def check_offered(
    host: Host, version: str | None = None, *, anew: bool = True, say: Say = lambda _: None
) -> tuple[PreflightResult, ...]:
    """Check the version that apt would install and those that wait for a cause to go away.

    version: check this one instead. anew: also one that was cleared before.
    Raises HostError when a candidate cannot be got; the others are decided by then.
    """
    with locked(host.paths, UPGRADE_CHECK, _PATIENCE):
        candidates.tidy(host.paths)
        pins.complete(host.paths)
        synapse = _served(host.paths)
        if synapse is None:
            return ()
        offer = candidates.offer(synapse.package)
        _forget(host.paths, synapse, offer)
        results: list[PreflightResult] = []
        problems: list[Problem] = []
        state = _inputs(host.paths)
        for one in [version] if version else _due(host.paths, synapse, offer):
            if not anew and _is_cleared(host.paths, synapse, one, state):
                continue
            say(f"Checking Synapse {one}.")
            try:
                with candidates.downloaded(host.paths, synapse.package, one) as deb:
                    results.append(_decide(host, synapse, deb, state))
            except HostError as error:
                problems += error.problems
        if problems:
            raise HostError(problems)
        return tuple(results)


def _is_cleared(paths: Paths, synapse: Synapse, version: str, state: str) -> bool:
    """It may be installed, and nothing has changed since it was checked.

    A refusal is never the last word: its cause may be one that shows nowhere else, such as a full
    disk. Nor is a check that was killed before it let the version go.
    """
    last = preflight_result.last_check(paths, synapse.package, version)
    if last is None or not last.ok or not last.still_holds(state):
        return False
    return not any(
        one.retried and (one.package, one.version) == (synapse.package, version)
        for one in pins.held(paths)
    )


def check_automatically(host: Host, *, say: Say) -> tuple[PreflightResult, ...]:
    """What is new, and again for as long as something changes meanwhile.

    systemd starts the service once: a settings file or a list of packages that changes while it
    runs would otherwise wait for the next day.
    """
    _forget_secrets(host.paths)
    results: tuple[PreflightResult, ...] = ()
    for _ in range(_ROUNDS):
        before = _situation(host.paths)
        results += check_offered(host, anew=False, say=say)
        if _situation(host.paths) == before:
            break
    return results


def _forget_secrets(paths: Paths) -> None:
    """The timer of this check is what comes each day, also where nobody applies anything."""
    try:
        with exclusive(paths):
            generation_secrets.forget(Store(paths, read_accounts(paths.root)))
    except (HostError, OSError) as error:
        for problem in problems_of(error):
            journal.write(str(problem), error=True)


def _situation(paths: Paths) -> tuple[str, str | None]:
    state, synapse = _inputs(paths), _served(paths)
    # What apt offers comes last: a list that changes later starts the service anew.
    return state, None if synapse is None else candidates.offer(synapse.package).newest


def check_file(host: Host, deb: Path, *, anew: bool = True) -> PreflightResult | None:
    """Check a package file that is about to be installed.

    None: nothing speaks against it: it is not an upgrade, or was checked already.
    """
    with locked(host.paths, UPGRADE_CHECK, _PATIENCE):
        candidates.tidy(host.paths)
        synapse = _served(host.paths)
        if synapse is None or candidates.field(deb, "Package") != synapse.package:
            return None
        version = candidates.field(deb, "Version")
        if not is_newer(version, synapse.version):
            return None
        state = _inputs(host.paths)
        last = preflight_result.last_check(host.paths, synapse.package, version)
        if not anew and last is not None and last.ok and last.still_holds(state):
            return None
        return _decide(host, synapse, deb, state)


def _decide(host: Host, synapse: Synapse, deb: Path, state: str) -> PreflightResult:
    paths = host.paths
    result = preflight.check(host, synapse, deb)
    try:
        _act_on(paths, synapse, result, state)
    except (HostError, OSError) as error:
        # A full disk, a lock: the result itself is what counts, for apt's hook acts on it.
        for problem in problems_of(error):
            journal.write(str(problem), error=True)
    return result


def _act_on(paths: Paths, synapse: Synapse, result: PreflightResult, state: str) -> None:
    preflight_result.note(paths, result, state)
    if not is_newer(result.version, synapse.version):
        return  # apt does not install it by itself
    if result.ok:
        held = [one for one in pins.held(paths) if one.version == result.version]
        if any(one.retried for one in held):
            pins.release(paths, result.package, result.version)
        what = f"{result.package} {result.version}"
        journal.write(f"{what} was checked and may be installed", error=False)
    elif not _is_judged(paths, result):
        pins.hold_back(
            paths, result.package, result.version, result.reason, result.security,
            retried=True,
        )  # fmt: skip


def _is_judged(paths: Paths, result: PreflightResult) -> bool:
    """Held back for good, by the health gate: this check must not make that temporary."""
    return any(
        one.version == result.version and not one.retried
        for one in pins.held(paths)
        if one.package == result.package
    )


def _due(paths: Paths, synapse: Synapse, offer: Offer) -> Iterator[str]:
    """What apt would install, and what it would install were it not held back.

    To be asked for one after the other: a candidate that is good makes older ones superfluous.
    """
    best = offer.candidate
    if best and is_newer(best, synapse.version):
        yield best
    held = [one for one in pins.held(paths) if one.package == synapse.package]
    if any(one.version == best for one in held):
        best = None
    for one in held:
        retried = one.retried and one.version != offer.candidate
        if retried and (best is None or is_newer(one.version, best)):
            yield one.version


def _forget(paths: Paths, synapse: Synapse, offer: Offer) -> None:
    """Release what was installed all the same, and what is not offered any more."""
    for one in pins.held(paths):
        if one.package != synapse.package:
            if one.retried:  # this check's, of the Synapse that this one has replaced
                pins.release(paths, one.package, one.version)
            continue
        # The health gate holds a version back while that is still installed, on its way back.
        here = one.retried and one.version == synapse.version
        passed = here or is_newer(synapse.version, one.version)
        gone = one.retried and one.version not in offer.versions
        if passed or gone:
            pins.release(paths, one.package, one.version)


def _served(paths: Paths) -> Synapse | None:
    """The installed Synapse, when this package configures it; else there is nothing to guard."""
    if not (paths.current / SYNAPSE_OPTIONS).exists():
        return None
    return host_facts.synapse(paths, read_accounts(paths.root))


def _inputs(paths: Paths) -> str:
    return input_fingerprint.fingerprint(paths, Record(paths).read().watched)
