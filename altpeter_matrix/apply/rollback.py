"""`altpeter-matrix rollback`: make an earlier generation current again."""

from dataclasses import replace

from ..base.accounts import read_accounts
from ..base.errors import HostError, Problem
from ..base.locks import exclusive
from ..host.links import Links
from ..nginx import config_check as nginx_check
from ..synapse import config_check as synapse_check
from . import host_facts, input_fingerprint
from .activation import Host, Work, activate
from .generations import Generation, Store
from .last_apply import Record
from .preflight import require_synapse
from .prepared import settings_of
from .up_to_date import Report

_REMEDY = "`altpeter-matrix generations` lists those there are"


def rollback(host: Host, number: int | None) -> Report:
    """Go back to a generation, or to the one before the current.

    The settings still ask for what was left: maintainer scripts hold still until they change,
    and the next `altpeter-matrix apply` goes forward again.
    """
    with exclusive(host.paths):
        store = Store(host.paths, read_accounts(host.paths.root))
        target = _target(store, number)
        settings = settings_of(host.paths, target)
        synapse = require_synapse(host_facts.read_facts(host.paths, store.accounts, settings))
        # An old generation may name a certificate, or an option, that is gone by now.
        enabled = Links(host.paths).nginx_site_wanted()
        nginx_check.check(host.paths, target.directory, enabled=enabled)
        synapse_check.check(host.paths, synapse, target.directory)
        work = Work()
        activate(host, store, settings, target.number, store.current(), work)
        record = Record(host.paths)
        outcome = record.read().succeeded(target.number, "", ())
        written = input_fingerprint.written_fingerprint(host.paths)
        because = f"generation {target.number} was brought back by `altpeter-matrix rollback`"
        record.write(replace(outcome, held=written, held_because=because))
        return Report(target.number, tuple(work.done), tuple(work.notices))


def _target(store: Store, number: int | None) -> Generation:
    current = store.current_number()
    if current is None:
        raise HostError(
            Problem("altpeter-matrix", "no generation is active", "run `altpeter-matrix apply`")
        )
    earlier = [one for one in store.numbers() if one < current]
    wanted = number if number is not None else (earlier[-1] if earlier else None)
    if wanted is None:
        raise HostError(
            Problem("altpeter-matrix", f"there is none before generation {current}", _REMEDY)
        )
    generation = store.load(wanted)
    if generation is None:
        raise HostError(Problem(f"generation {wanted}", "is not there", _REMEDY))
    if changed := store.tampering(generation):
        raise HostError(
            Problem(str(changed[0].file), f"was {changed[0].what} by hand", "choose another one")
        )
    return generation
