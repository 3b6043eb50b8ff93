"""`altpeter-matrix upgrade`: a newer Synapse, before it is installed."""
# ruff: noqa: PLC0415

import sys
from contextlib import nullcontext, suppress
from typing import TYPE_CHECKING

import click

from ..base.errors import MatrixConfigError, Problem
from .support import host, reporting, say, say_json, tell
from .terminal import steps

if TYPE_CHECKING:
    from ..upgrade.preflight_result import PreflightResult


@click.group()
def upgrade() -> None:
    """A newer Synapse, before it is installed."""


@upgrade.command()
@click.argument("version", required=False)
@click.option("--json", "as_json", is_flag=True, help="Answer as JSON.")
@click.option("--automatic", is_flag=True, help="Only what is new; what the timer runs.")
@reporting
def check(version: str | None, as_json: bool, automatic: bool) -> None:
    """Ask the newer Synapse whether it would serve here; hold it back if not.

    VERSION: another one than apt would install. Exit status 1: it would not serve.
    """
    from ..upgrade.preflight_run import check_automatically, check_offered

    try:
        with nullcontext(_in_silence) if as_json else steps(sys.stderr) as say_step:
            if automatic:
                results = check_automatically(host(), say=say_step)
            else:
                results = check_offered(host(), version, say=say_step)
    finally:
        _renew_key(daily=automatic)
    if as_json:
        say_json(
            {"ok": all(one.ok for one in results), "checked": [one.as_json() for one in results]}
        )
    else:
        for result in results:
            _show(result)
        if not results and not automatic:
            click.echo("apt offers no newer Synapse.")
    # The service has done its work when it has held something back.
    sys.exit(0 if automatic or all(one.ok for one in results) else 1)


def _in_silence(_text: str) -> None:
    """Who reads JSON is told at the end."""


def _renew_key(*, daily: bool) -> None:
    """Not before the candidates: apt waits for these."""
    from ..apply.prepared import read_settings
    from ..apt.keyring_renewal import renew, renew_daily

    paths = host().paths
    with suppress(MatrixConfigError):  # status and apply speak of settings that cannot be used
        repository = read_settings(paths).synapse_repository
        if daily:
            renew_daily(paths, repository)
        else:
            renew(paths, repository)


def _show(result: "PreflightResult") -> None:
    kind = "security update " if result.security else ""
    answer = "would serve here" if result.ok else "would NOT serve here and is held back"
    tell(f"{kind}{result.package} {result.version} (now {result.installed}) {answer}.")
    if result.way_back is not None:
        way = "possible" if result.way_back else "NOT possible without restoring a backup"
        tell(f"  going back to {result.installed} afterwards: {way}")
    for what in result.unchecked:
        tell(f"  not checked: {what}")
    say("error", result.errors)
    say("warning", result.warnings)


@upgrade.command()
@click.argument("version")
@reporting
def release(version: str) -> None:
    """Let apt have VERSION although it is held back."""
    from ..apt.pins import release as let_go
    from ..host.facts import SYNAPSE_PACKAGES

    paths = host().paths
    if not [one for package in SYNAPSE_PACKAGES for one in let_go(paths, package, version)]:
        say("error", [Problem(version, "is not held back", "see `altpeter-matrix status`")])
        sys.exit(1)
    click.echo(f"{version} is not held back any more. apt checks it again before installing it.")
