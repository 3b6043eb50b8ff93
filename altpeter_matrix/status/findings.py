"""`altpeter-matrix status`: is this server well, and what should a person do if not?"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from ..apply import input_fingerprint, stuck_services
from ..apply.activation import Host
from ..apply.generations import Store
from ..apply.last_apply import Outcome, Record
from ..apply.preflight import disk_problems
from ..apply.prepared import read_settings
from ..apply.public_side import PublicSide
from ..apply.services import HOLD, NGINX, UNITS, Action, Unit
from ..apply.up_to_date import how_to_start
from ..apt import keyring_renewal, keyrings, pins
from ..base import locks, untrusted_files
from ..base.accounts import read_accounts
from ..base.commands import run
from ..base.errors import Finding, MatrixConfigError, error, warning
from ..base.failures import problems_of
from ..base.paths import Paths
from ..database.notices import version_notices
from ..host import last_backup
from ..host.links import NGINX_MAIN, Links
from ..postgresql import upgrade_journal
from ..synapse import conffile_edits, config_files, handmade
from ..upgrade import history, report

PACKAGES = (
    "altpeter-matrix-config", "matrix-synapse-py3", "matrix-synapse", "nginx", "postgresql",
    "certbot",
)  # fmt: skip


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
        return not any(finding.severity == "error" for finding in self.findings)

    def as_json(self) -> dict[str, Any]:
        findings = [
            {"error": one.severity == "error", "problem": asdict(one.problem)}
            for one in self.findings
        ]
        return {"healthy": self.healthy, **asdict(self), "findings": findings}


class Survey:
    """Looks at each part of the host; a part that cannot be looked at is itself a finding."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.paths: Paths = host.paths
        self.last = Record(host.paths).read()
        self.store = Store(host.paths, read_accounts(host.paths.root))
        self.units: Mapping[str, Unit] = {}
        self.public = PublicSide(host)

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
        shown = {} if self.public.certificate is None else asdict(self.public.certificate)
        return Status(
            generation=self.store.current_number(),
            last_apply=self.last,
            packages=_packages(),
            units={unit.name: unit.state for unit in self.units.values()},
            certificate={**shown, "placeholder": self.public.placeholder} if shown else {},
            pending=self._pending(),
            findings=tuple(dict.fromkeys(found)),
        )

    def _pending(self) -> bool:
        return self.last.inputs != input_fingerprint.fingerprint(self.paths, self.last.watched)

    def _handmade(self) -> Iterator[Finding]:
        for problem in handmade.problems(self.paths):
            yield Finding("error", problem)

    def _last_apply(self) -> Iterator[Finding]:
        if self.store.current_number() is None and self.last.ok:
            yield error(
                str(self.paths.current), "is missing", "run `altpeter-matrix apply`; it makes it"
            )
        if not self.last.time:
            yield error("altpeter-matrix", "nothing was applied yet", "run `altpeter-matrix apply`")
        elif not self.last.ok:
            for one in self.last.problems:
                yield Finding("error", one)
            if not self.last.problems:
                yield error(
                    "altpeter-matrix", "the last apply failed", "run `altpeter-matrix apply`"
                )
        elif self.last.held:
            yield warning(
                "altpeter-matrix", self.last.held_because,
                "`altpeter-matrix apply` goes back to what settings.yaml asks for",
            )  # fmt: skip
        elif self._pending():
            yield warning(
                "altpeter-matrix", "something changed since the last apply",
                "see `altpeter-matrix diff`, then run `altpeter-matrix apply`",
            )  # fmt: skip

    def _generation(self) -> Iterator[Finding]:
        number = self.store.current_number()
        if number is None:
            return
        generation = self.store.load(number)
        if generation is None:
            yield error(
                str(self.paths.current), "its generation is damaged",
                "run `altpeter-matrix apply`; it makes a new one",
            )  # fmt: skip
            return
        for one in self.store.tampering(generation):
            yield error(
                str(one.file), f"was {one.what} by hand",
                "run `altpeter-matrix apply`; it keeps your version aside",
            )  # fmt: skip

    def _links(self) -> Iterator[Finding]:
        if self.store.current_number() is None:
            return  # nothing was applied, which is said already
        for link in Links(self.paths).states().values():
            if link.action == "deleted":
                yield warning(
                    str(link.path), "was deleted, so it stays away",
                    f"`ln -s {link.target} {link.path}` brings it back",
                )  # fmt: skip
            elif link.action != "present":
                missing = link.action in {"make", "restore"}
                yield error(
                    str(link.path),
                    "is missing" if missing else f"is not a link to {link.target}",
                    "run `altpeter-matrix apply`",
                )

    def _services(self) -> Iterator[Finding]:
        if not self.host.services.present:
            yield error("systemd", "does not run here", "boot this system")
            return
        self.units = self.host.services.units()
        plan = self.host.services.plan()
        for program, unit in self.units.items():
            if how := unit.stopped_on_purpose:
                yield error(unit.name, f"is {how}", f"`{how_to_start(unit.name, how)}`")
            elif not unit.running:
                yield error(
                    unit.name, f"is {unit.state}", f"read `journalctl -u {unit.name} -n 50`"
                )
            elif plan[program] is not Action.NOTHING and self.host.services.wanted(program):
                yield error(
                    unit.name, "runs with an older configuration", "run `altpeter-matrix apply`"
                )
        wanted = Links(self.paths).states().get(NGINX_MAIN)
        if wanted and wanted.action == "present" and self.host.services.nginx_has_room() is False:
            yield warning(
                UNITS[NGINX], "was started before it had room for more than some hundred clients",
                f"`systemctl restart {UNITS[NGINX]}` at a quiet time; a reboot does it too",
            )  # fmt: skip
        if not self.host.services.hold_listens():
            yield error(
                HOLD, "does not listen, so requests fail while Synapse restarts",
                f"`systemctl start {HOLD}`",
            )  # fmt: skip

    def _disk(self) -> Iterator[Finding]:
        for problem in disk_problems(self.paths):
            yield Finding("error", problem)

    def _database(self) -> Iterator[Finding]:
        if problem := upgrade_journal.interruption(self.paths):
            yield Finding("error", problem)
        for notice in version_notices(self.host):
            yield Finding("warning", notice)

    def _upgrades(self) -> Iterator[Finding]:
        yield from report.findings(history.read(self.paths))
        for one in pins.held(self.paths):
            yield Finding("error", one.problem)

    def _stuck(self) -> Iterator[Finding]:
        services = stuck_services.stuck() if self.host.services.present else ()
        for problem in (*locks.stuck(self.paths), *services):
            yield Finding("error", problem)

    def _files_of_synapse(self) -> Iterator[Finding]:
        for problem in untrusted_files.problems(self.paths):
            yield Finding("error", problem)
        # What is wrong with one of them is raised.
        config_files.texts_of_others(self.paths)
        untrusted_files.content(self.paths, config_files.signing_key(self.paths))

    def _backup(self) -> Iterator[Finding]:
        if problem := last_backup.problem(self.paths, read_settings(self.paths).updates):
            yield Finding("warning", problem)

    def _keys(self) -> Iterator[Finding]:
        for state in keyrings.states(self.paths)[0]:
            yield Finding("error" if state.stopped else "warning", state.problem)
        for problem in keyring_renewal.last_problems(self.paths):
            yield Finding("warning", problem)

    def _settings(self) -> Iterator[Finding]:
        yield from self.public.findings(self.units)

    def _vendor_files(self) -> Iterator[Finding]:
        for notice in conffile_edits.notices(self.paths):
            yield Finding("warning", notice)


def _guarded(look: Callable[[], Iterator[Finding]]) -> list[Finding]:
    found: list[Finding] = []
    try:
        found.extend(look())
    except (MatrixConfigError, OSError) as error:
        found += [Finding("error", problem) for problem in problems_of(error)]
    return found


def _packages() -> dict[str, str]:
    shown = run(
        "dpkg-query", "--show", "--showformat=${Package}\t${Version}\n", *PACKAGES, check=False
    )
    rows = [line.split("\t") for line in shown.stdout.splitlines()]
    return {row[0]: row[1] for row in rows if len(row) == 2 and row[1]}


def status(host: Host) -> Status:
    return Survey(host).status()
