"""The command line: a thin layer over one function each.

Modules are imported inside the commands: `apply` with nothing to do must not load what only a
real change needs.
"""
# ruff: noqa: PLC0415

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..base.errors import MatrixConfigError
from ..base.paths import Paths
from .adopt import adopt
from .backup import backup
from .database import database
from .generations import generations, rollback
from .notify import mail, notify
from .restore import restore
from .status import status
from .support import host, place, reporting, require_root, say, say_json, tell_difference
from .terminal import steps
from .upgrade import upgrade
from .upgrades import upgrades
from .usage import usage
from .user import user

if TYPE_CHECKING:
    from ..apply.up_to_date import Report


def main() -> None:
    """Run a command; 0: well, 1: refused, unhealthy or different, 2: wrong usage, or `status`
    could not look."""
    # A maintainer script or cron may bring any umask and a PATH without /usr/sbin.
    os.umask(0o022)
    os.environ["PATH"] = f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/bin:/sbin:/bin".lstrip(":")
    cli.main()


def _show(report: "Report") -> None:
    if report.done:
        click.echo(f"Generation {report.generation} is active: {', '.join(report.done)}.")
    else:
        click.echo(f"Nothing to do: generation {report.generation} is active.")
    say("notice", report.notices)


def _version(context: click.Context, _parameter: click.Parameter, value: bool) -> None:
    if value and not context.resilient_parsing:
        from ..base.failures import package_version

        click.echo(package_version())
        context.exit()


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--version", is_flag=True, is_eager=True, expose_value=False, callback=_version)
def cli() -> None:
    """Configure and keep healthy the Matrix homeserver of this machine."""


@cli.command()
@click.option("--server-name", help="The domain in user IDs; else taken from what is known.")
@click.option("--if-unknown", metavar="NAME", help="The domain, unless Synapse has one here.")
@reporting
def init(server_name: str | None, if_unknown: str | None) -> None:
    """Write a first settings.yaml, unless there is one."""
    from ..apply.init import init as initialise

    require_root()
    name = initialise(Paths(), server_name, if_unknown)
    if name is not None:
        click.echo(f"Wrote {Paths().settings} for {name}.")


@cli.command()
@click.option(
    "--from-postinst",
    is_flag=True,
    help="Report problems, but exit with 0; start services as maintainer scripts must.",
)
@click.option(
    "--dry-run", is_flag=True, help="Only say whether there is something to do: then exit with 1."
)
@click.option("--json", "as_json", is_flag=True, help="Say what was done as JSON.")
def apply(from_postinst: bool, dry_run: bool, as_json: bool) -> None:
    """Make the settings effective: render, check, activate, ask for health."""
    if from_postinst:
        _apply_for_package()
    elif dry_run:
        _ask_if_settled()
    else:
        _apply(as_json)


@reporting
def _apply(as_json: bool) -> None:
    report = _settled()
    if report is None:
        with steps(sys.stderr):
            report = _apply_now()
    if as_json:
        say_json(
            {
                "generation": report.generation,
                "changed": bool(report.done),
                "done": report.done,
                "notices": [vars(notice) for notice in report.notices],
            }
        )
    else:
        _show(report)


@reporting
def _ask_if_settled() -> None:
    """What the deploy asks, each time: so this loads as little as an apply with nothing to do."""
    report = _settled()
    if report is None:
        click.echo("There is something to do.")
        sys.exit(1)
    _show(report)


def _settled() -> "Report | None":
    """The report of an apply that has nothing to do: without loading what others need."""
    from ..apply.up_to_date import report_if_settled

    paths, services = place()
    return report_if_settled(paths, services)


def _apply_now(*, from_postinst: bool = False) -> "Report":
    from ..apply.transaction import apply as apply_now

    return apply_now(host(from_postinst=from_postinst), from_postinst=from_postinst)


def _apply_for_package() -> None:
    """For maintainer scripts: failing would block apt, so the failure is told in other ways."""
    import syslog

    from ..base.failures import problems_of

    place()[1].look_for_upgrade()
    try:
        report = _apply_now(from_postinst=True)
    except (MatrixConfigError, OSError) as error:
        syslog.openlog("altpeter-matrix")
        for problem in problems_of(error):
            syslog.syslog(syslog.LOG_ERR, str(problem))
        say("error", problems_of(error))
        click.echo(
            "altpeter-matrix: nothing was changed; `altpeter-matrix status` says this again.",
            err=True,
        )
    else:
        if report.done or report.notices:
            _show(report)


@cli.command()
@click.option("--settings", type=click.Path(path_type=Path), help="Check this file instead.")
@click.option("--json", "as_json", is_flag=True, help="Answer as JSON.")
def check(settings: Path | None, as_json: bool) -> None:
    """Check settings and additions with every check of apply, activating nothing."""
    if not as_json:
        _check(settings)
        return
    from ..apply.check import check as check_now
    from ..base.failures import problems_of

    try:
        warnings = check_now(host(), settings)
    except (MatrixConfigError, OSError) as error:
        say_json({"ok": False, "errors": [vars(one) for one in problems_of(error)]})
        sys.exit(1)
    say_json({"ok": True, "errors": [], "warnings": [vars(one) for one in warnings]})


@reporting
def _check(settings: Path | None) -> None:
    from ..apply.check import check as check_now

    with steps(sys.stderr):
        warnings = check_now(host(), settings)
    click.echo("Everything would be accepted.")
    say("warning", warnings)


@cli.command()
@click.option("--json", "as_json", is_flag=True, help="Answer as JSON.")
@reporting
def diff(as_json: bool) -> None:
    """Show what apply would change in the generated files; secrets are hidden."""
    from ..apply.diff import diff as difference

    require_root()
    lines = difference(Paths())
    if as_json:
        say_json({"different": bool(lines), "diff": lines})
    else:
        tell_difference(lines)
    sys.exit(1 if lines else 0)


@cli.command()
@click.option("--json", "as_json", is_flag=True, help="Answer as JSON.")
@reporting
def records(as_json: bool) -> None:
    """Print the DNS records to set, and the documents to publish elsewhere."""
    from ..apply.prepared import read_settings
    from ..host.addresses import public_addresses
    from ..settings.records import WELL_KNOWN_HEADERS, dns_records, documents_elsewhere

    settings = read_settings(Paths())
    ipv4, ipv6 = public_addresses()
    found = dns_records(settings, ipv4=ipv4, ipv6=ipv6)
    documents = documents_elsewhere(settings)
    if as_json:
        say_json(
            {"records": [vars(one) for one in found], "documents": [vars(one) for one in documents]}
        )
        return
    for record in found:
        click.echo(record)
    for document in documents:
        click.echo(f"\n{document.url} must answer\n{document.body}")
    if documents:
        click.echo(f"\nThese with {WELL_KNOWN_HEADERS}.")


cli.add_command(adopt)
cli.add_command(backup)
cli.add_command(database)
cli.add_command(generations)
cli.add_command(mail)
cli.add_command(notify)
cli.add_command(restore)
cli.add_command(rollback)
cli.add_command(status)
cli.add_command(upgrade)
cli.add_command(upgrades)
cli.add_command(usage)
cli.add_command(user)
