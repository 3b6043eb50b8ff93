"""`altpeter-matrix status`: is this server well, and what should a person do if not?"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from . import (
    certificate,
    certificate_state,
    conffile_edits,
    database_journal,
    handmade,
    held_back,
    inputs,
    keyring,
    keyring_renewal,
    last_backup,
    lock,
    synapse_files,
    untrusted_files,
    upgrade_history,
    upgrade_report,
)
from .accounts import read_accounts
from .activation import Host
from .certificate_state import CertificateState
from .commands import run
from .database_upgrade import version_notices
from .errors import MatrixConfigError, Problem
from .failures import problems_of
from .generations import Store
from .host_checks import disk_problems
from .links import NGINX_MAIN, Links
from .outcome import Outcome, Record
from .paths import Paths
from .rendered import read_settings, settings_of
from .resources import document
from .services import HOLD, NGINX, SYNAPSE, UNITS, Action, Unit
from .settings import Settings
from .settled import how_to_start

PACKAGES = (
    "altpeter-matrix-config", "matrix-synapse-py3", "matrix-synapse", "nginx", "postgresql",
    "certbot",
)  # fmt: skip
# A third of the 90 days that certificates have: certbot renews earlier than that.
_FEW_DAYS = 21


@dataclass(frozen=True)
class Finding:
    """An error makes the server unhealthy; a notice is worth knowing."""

    error: bool
    problem: Problem


@dataclass(frozen=True)
class Status:
    """All that `status` shows."""

    generation: int | None
    last_apply: Outcome
    packages: Mapping[str, str]
    units: Mapping[str, str]
    certificate: Mapping[str, Any]
    pending: bool  # settings, programs or certificates changed since the last apply
    findings: tuple[Finding, ...]

    @property
    def healthy(self) -> bool:
        return not any(finding.error for finding in self.findings)

    def as_json(self) -> dict[str, Any]:
        return {"healthy": self.healthy, **asdict(self)}


class Survey:
    """Looks at each part of the host; a part that cannot be looked at is itself a finding."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.paths: Paths = host.paths
        self.last = Record(host.paths).read()
        self.store = Store(host.paths, read_accounts(host.paths.root))
        self.units: Mapping[str, Unit] = {}
        self.certificate: CertificateState | None = None
        self.placeholder = False

    def status(self) -> Status:
        found = _guarded(self._handmade)
        # The rest asks for what only an adopted server has.
        looks = (
            self._last_apply, self._generation, self._links, self._services, self._disk,
            self._database, self._settings, self._vendor_files, self._upgrades,
            self._backup, self._keys, self._stuck, self._files_of_synapse,
        )  # fmt: skip
        for look in (self._services, self._disk, self._stuck) if found else looks:
            found += _guarded(look)
        shown = {} if self.certificate is None else asdict(self.certificate)
        return Status(
            generation=self.store.current_number(),
            last_apply=self.last,
            packages=_packages(),
            units={unit.name: unit.state for unit in self.units.values()},
            certificate={**shown, "placeholder": self.placeholder} if shown else {},
            pending=self._pending(),
            findings=tuple(dict.fromkeys(found)),
        )

    def _pending(self) -> bool:
        return self.last.inputs != inputs.fingerprint(self.paths, self.last.watched)

    def _handmade(self) -> Iterator[Finding]:
        for problem in handmade.problems(self.paths):
            yield Finding(True, problem)

    def _last_apply(self) -> Iterator[Finding]:
        if self.store.current_number() is None and self.last.ok:
            yield _error(
                str(self.paths.current), "is missing", "run `altpeter-matrix apply`; it makes it"
            )
        if not self.last.time:
            yield _error(
                "altpeter-matrix", "nothing was applied yet", "run `altpeter-matrix apply`"
            )
        elif not self.last.ok:
            for one in self.last.problems:
                yield Finding(True, one)
            if not self.last.problems:
                yield _error(
                    "altpeter-matrix", "the last apply failed", "run `altpeter-matrix apply`"
                )
        elif self.last.held:
            yield _notice(
                "altpeter-matrix", self.last.held_because,
                "`altpeter-matrix apply` goes back to what settings.yaml asks for",
            )  # fmt: skip
        elif self._pending():
            yield _notice(
                "altpeter-matrix", "something changed since the last apply",
                "see `altpeter-matrix diff`, then run `altpeter-matrix apply`",
            )  # fmt: skip

    def _generation(self) -> Iterator[Finding]:
        number = self.store.current_number()
        if number is None:
            return
        generation = self.store.load(number)
        if generation is None:
            yield _error(
                str(self.paths.current), "its generation is damaged",
                "run `altpeter-matrix apply`; it makes a new one",
            )  # fmt: skip
            return
        for one in self.store.tampering(generation):
            yield _error(
                str(one.file), f"was {one.what} by hand",
                "run `altpeter-matrix apply`; it keeps your version aside",
            )  # fmt: skip

    def _links(self) -> Iterator[Finding]:
        if self.store.current_number() is None:
            return  # nothing was applied, which is said already
        for link in Links(self.paths).survey().values():
            if link.action == "deleted":
                yield _notice(
                    str(link.path), "was deleted, so it stays away",
                    f"`ln -s {link.target} {link.path}` brings it back",
                )  # fmt: skip
            elif link.action != "present":
                missing = link.action in {"make", "restore"}
                yield _error(
                    str(link.path),
                    "is missing" if missing else f"is not a link to {link.target}",
                    "run `altpeter-matrix apply`",
                )

    def _services(self) -> Iterator[Finding]:
        if not self.host.services.present:
            yield _error("systemd", "does not run here", "boot this system")
            return
        self.units = self.host.services.units()
        plan = self.host.services.plan()
        for program, unit in self.units.items():
            if how := unit.stopped_on_purpose:
                yield _error(unit.name, f"is {how}", f"`{how_to_start(unit.name, how)}`")
            elif not unit.running:
                yield _error(
                    unit.name, f"is {unit.state}", f"read `journalctl -u {unit.name} -n 50`"
                )
            elif plan[program] is not Action.NOTHING and self.host.services.wanted(program):
                yield _error(
                    unit.name, "runs with an older configuration", "run `altpeter-matrix apply`"
                )
        wanted = Links(self.paths).survey().get(NGINX_MAIN)
        if wanted and wanted.action == "present" and self.host.services.nginx_has_room() is False:
            yield _notice(
                UNITS[NGINX], "was started before it had room for more than some hundred clients",
                f"`systemctl restart {UNITS[NGINX]}` at a quiet time; a reboot does it too",
            )  # fmt: skip
        if not self.host.services.hold_listens():
            yield _error(
                HOLD, "does not listen, so requests fail while Synapse restarts",
                f"`systemctl start {HOLD}`",
            )  # fmt: skip

    def _disk(self) -> Iterator[Finding]:
        for problem in disk_problems(self.paths):
            yield Finding(True, problem)

    def public_side(self) -> Iterator[Finding]:
        self.units = self.host.services.units_if_present()
        yield from self._settings()

    def _database(self) -> Iterator[Finding]:
        if problem := database_journal.interruption(self.paths):
            yield Finding(True, problem)
        for notice in version_notices(self.host):
            yield Finding(False, notice)

    def _upgrades(self) -> Iterator[Finding]:
        for is_error, problem in upgrade_report.findings(upgrade_history.read(self.paths)):
            yield Finding(is_error, problem)
        for one in held_back.held(self.paths):
            yield Finding(True, one.problem)

    def _stuck(self) -> Iterator[Finding]:
        for problem in (*lock.stuck(self.paths), *self.host.services.stuck()):
            yield Finding(True, problem)

    def _files_of_synapse(self) -> Iterator[Finding]:
        for problem in untrusted_files.problems(self.paths):
            yield Finding(True, problem)
        # What is wrong with one of them is raised.
        synapse_files.texts_of_others(self.paths)
        untrusted_files.content(self.paths, synapse_files.signing_key(self.paths))

    def _backup(self) -> Iterator[Finding]:
        if problem := last_backup.problem(self.paths, read_settings(self.paths).updates):
            yield Finding(False, problem)

    def _keys(self) -> Iterator[Finding]:
        for state in keyring.look(self.paths)[0]:
            yield Finding(state.stopped, state.problem)
        for problem in keyring_renewal.last_problems(self.paths):
            yield Finding(False, problem)

    def _settings(self) -> Iterator[Finding]:
        # The host is asked for what it was told to serve; what settings.yaml asks for meanwhile
        # is pending, which is said elsewhere. It still has to be readable.
        current = self.store.current()
        wanted = read_settings(self.paths)
        settings = wanted if current is None else settings_of(self.paths, current)
        yield from self._certificate(settings)
        running = {program: unit.running for program, unit in self.units.items()}
        site = Links(self.paths).nginx_site_wanted()
        for problem in self.host.probe(
            settings, nginx=running.get(NGINX, False) and site, synapse=running.get(SYNAPSE, False)
        ):
            yield Finding(True, problem)

    def _certificate(self, settings: Settings) -> Iterator[Finding]:
        chosen = certificate.choose(self.paths, settings.public_name)
        self.placeholder = chosen.placeholder
        state = certificate_state.on_disk(self.paths.on_host(chosen.fullchain))
        self.certificate = state
        where = str(chosen.fullchain)
        if state is None and self.store.current_number() is None:
            return
        if state is None:
            yield _error(where, "holds no certificate", "run `altpeter-matrix apply`")
            return
        if chosen.placeholder:
            yield _notice(
                where, "is the self-signed placeholder: other servers and clients refuse it",
                "get a certificate: run the deploy, or certbot as in"
                f" {document('deploy.md')}",
            )  # fmt: skip
        else:
            yield from _expiry(where, state, settings)
        shown = certificate_state.served(settings.public_name)
        if shown is not None and shown.fingerprint != state.fingerprint:
            yield _error(
                "nginx", f"does not serve the certificate in {where}", "`systemctl reload nginx`"
            )

    def _vendor_files(self) -> Iterator[Finding]:
        for notice in conffile_edits.notices(self.paths):
            yield Finding(False, notice)


def _expiry(where: str, state: CertificateState, settings: Settings) -> Iterator[Finding]:
    renew = "run `certbot renew` and read its log, /var/log/letsencrypt/letsencrypt.log"
    if state.days_left < 0:
        yield _error(where, "has expired", renew)
    elif state.days_left < _FEW_DAYS:
        yield _notice(where, f"expires in {state.days_left} days", renew)
    for name in settings.certificate_names:
        if name not in state.names and f"*.{name.partition('.')[2]}" not in state.names:
            yield _notice(where, f"does not cover {name}", "run the deploy again")


def _guarded(look: Callable[[], Iterator[Finding]]) -> list[Finding]:
    found: list[Finding] = []
    try:
        found.extend(look())
    except (MatrixConfigError, OSError) as error:
        found += [Finding(True, problem) for problem in problems_of(error)]
    return found


def _packages() -> dict[str, str]:
    shown = run(
        "dpkg-query", "--show", "--showformat=${Package}\t${Version}\n", *PACKAGES, check=False
    )
    rows = [line.split("\t") for line in shown.stdout.splitlines()]
    return {row[0]: row[1] for row in rows if len(row) == 2 and row[1]}


def _error(where: str, what: str, remedy: str) -> Finding:
    return Finding(True, Problem(where, what, remedy))


def _notice(where: str, what: str, remedy: str) -> Finding:
    return Finding(False, Problem(where, what, remedy))


def status(host: Host) -> Status:
    return Survey(host).status()


def seen_by_clients(host: Host) -> list[Problem]:
    """What is wrong at the public names: the served certificate, nginx, Synapse behind it."""
    survey = Survey(host)
    return [one.problem for one in _guarded(survey.public_side) if one.error]
