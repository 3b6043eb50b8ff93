"""What forbids a deploy, found before anything is changed. Pure: observation in, problems out."""

from collections.abc import Iterator

from altpeter_matrix.base.errors import Problem
from altpeter_matrix.host.requirements import (
    FREE_TO_DEPLOY,
    FREE_TO_INSTALL,
    INODES_TO_DEPLOY,
    MIB,
    release_problem,
)

from ..inventory.target import Target
from ..observe.host_state import HostState
from . import adoption, certificate


def problems(target: Target, state: HostState) -> tuple[Problem, ...]:
    """Everything that stands in the way on one host, all at once."""
    found = [
        *_system(state),
        *_packages(state),
        *_disk(state),
        *_ports(target, state),
        *_identity(target, state),
        *_mail(target, state),
        *(adoption.problems(target, state) if adoption.is_due(target, state) else ()),
        *certificate.problems(target, state),
    ]
    return tuple(Problem(f"{target.name}: {p.where}", p.what, p.remedy) for p in found)


def _system(state: HostState) -> Iterator[Problem]:
    if problem := release_problem(state.release):
        yield problem
    if not state.systemd:
        yield Problem(
            "/run/systemd/system",
            "systemd does not run, so no service could",
            "boot the host with systemd",
        )


def _packages(state: HostState) -> Iterator[Problem]:
    if state.lock_holder:
        yield Problem(
            "/var/lib/dpkg/lock-frontend",
            f"{state.lock_holder} holds the lock of the package manager",
            "wait until it has finished, then run the deploy again",
        )
    if state.newer_package:
        yield Problem(
            "altpeter-matrix-config",
            f"the host has {state.newer_package}, which is newer than this checkout's package",
            "update the checkout and run `make deb`",
        )


def _disk(state: HostState) -> Iterator[Problem]:
    needed = FREE_TO_DEPLOY if state.synapse_installed else FREE_TO_INSTALL
    for mount, free in state.free_kib.items():
        if free * 1024 < needed:
            yield Problem(
                mount,
                f"has {free * 1024 // MIB} MiB free, {needed // MIB} MiB are needed",
                "free some space or enlarge the disk",
            )
    for mount, free in state.free_inodes.items():
        if free < INODES_TO_DEPLOY:
            yield Problem(
                mount, f"has {free} inodes free", f"free some: {INODES_TO_DEPLOY} are needed"
            )


def _ports(target: Target, state: HostState) -> Iterator[Problem]:
    settings = target.settings
    wanted = {80: "nginx", 443: "nginx", 5432: "postgres", settings.listener.port: "synapse"}
    keys = {settings.listener.port: "listener.port"}
    if settings.federation.port_8448:
        wanted[8448] = "nginx"
    if settings.metrics.enabled:
        wanted[settings.metrics.port] = "synapse"
        keys[settings.metrics.port] = "metrics.port"
    units = {
        "nginx": "nginx.service",
        "synapse": "matrix-synapse.service",
        "postgres": "postgresql",
    }
    told = set()
    for listener in state.listening:
        owner = wanted.get(listener.port)
        if owner is None or listener.program == owner or listener.unit.startswith(units[owner]):
            continue
        if listener.port in told:
            continue
        told.add(listener.port)
        stop = f"systemctl disable --now {listener.unit}" if listener.unit else "kill"
        key = keys.get(listener.port)
        yield Problem(
            f"port {listener.port}",
            f"is taken by {listener.program}, and {owner} needs it",
            f"stop that program (`{stop}`)" + (f", or set another {key}" if key else ""),
        )


def _identity(target: Target, state: HostState) -> Iterator[Problem]:
    for file in state.handmade if not target.adopt else ():
        yield Problem(
            file,
            "this server was set up by hand, and a deploy would replace what it does",
            "to take it over as it is, write `adopt = True` beside `matrix` and look at what "
            "`pyinfra --dry` tells (docs/adoption.md)",
        )
    wanted = target.settings.server_name
    if state.users and state.server_name and state.server_name != wanted:
        yield Problem(
            f"{target.source}: server_name",
            f'"{wanted}" is not the name of the server that runs there, "{state.server_name}", '
            "and a server name can never change once users exist",
            f'write "{state.server_name}", or deploy to another host',
        )
    locale = state.database_locale
    if locale and locale != ("C", "C", "UTF8"):
        yield Problem(
            f"PostgreSQL database {target.settings.database.name}",
            f"has collation {locale[0]}, character type {locale[1]} and encoding {locale[2]}; "
            "Synapse's data get damaged with any other than C, C and UTF8",
            "move the data into a new database with LC_COLLATE 'C' and LC_CTYPE 'C' "
            "(pg_dump and pg_restore), or set another database.name",
        )


def _mail(target: Target, state: HostState) -> Iterator[Problem]:
    email = target.settings.email
    if email is None or email.username is None or target.smtp_password is not None:
        return
    if str(email.password_file) not in state.files:
        yield Problem(
            f"{target.source}: email.username",
            f"needs a password, and {email.password_file} is not on the host",
            "name a file that holds it with `smtp_password_file` beside `matrix`",
        )
