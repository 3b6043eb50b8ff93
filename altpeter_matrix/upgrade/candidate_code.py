"""Asking the code of a Synapse that is not installed yet, confined (base/sandbox.py)."""

import json
import time
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from ..apt.candidates import Candidate
from ..base import sandbox
from ..base.commands import Result
from ..base.errors import HostError, MatrixConfigError, Objection, Problem, error
from ..base.paths import Paths
from ..host.facts import Synapse
from ..synapse import config_check
from . import candidate_answers, stand_ins

PROBE = Path(__file__).with_name("in_candidate.py")
DATABASE_PROBE = Path(__file__).with_name("in_candidate_database.py")
# Seconds. To find the option that is to blame it is started more than once.
_PARSER_WITHIN = 300.0


def ask(paths: Paths, candidate: Candidate, options: Mapping[str, Any]) -> dict[str, Any]:
    """What the candidate says of itself, and what the database says of itself."""
    facts = _database_facts(paths, candidate.synapse, options)
    question = json.dumps({"database": facts.pop("database", None)})
    with sandbox.empty_root(paths) as root:
        # -I: nothing of the surroundings.
        result = sandbox.ask(
            paths, candidate.python, "-I", PROBE,
            root=root, shows=[candidate.root], text=question,
        )  # fmt: skip
    answers = candidate_answers.read(result.stdout)
    if answers is None:
        raise HostError(
            Problem(
                candidate.name,
                f"its Python cannot be asked: {config_check.reason(result)}",
                "`altpeter-matrix upgrade check`",
            )
        )
    return answers | facts


def _database_facts(paths: Paths, synapse: Synapse, options: Mapping[str, Any]) -> dict[str, Any]:
    """Asked by the Synapse that serves: the other one gets no connection."""
    config = options.get("database")
    if not isinstance(config, dict) or config.get("name") != "psycopg2":
        return {}
    result = config_check.as_synapse(
        paths, synapse, "-I", str(DATABASE_PROBE), text=json.dumps(config, default=str)
    )
    try:
        facts: dict[str, Any] = json.loads(result.stdout.strip().splitlines()[-1])
    except (ValueError, IndexError):
        return {"database_error": config_check.reason(result)}
    return facts


def parser_findings(
    paths: Paths, candidate: Candidate, origins: Mapping[str, str]
) -> Iterator[Objection]:
    """Its own parser, on the files that Synapse reads now."""
    current, end = paths.current.resolve(), time.monotonic() + _PARSER_WITHIN

    def attempt(without: Collection[str]) -> Result:
        with sandbox.empty_root(paths) as root:
            arguments = stand_ins.configuration(paths, root, current, without)
            return sandbox.ask(
                paths, candidate.python, *config_check.PARSER, *arguments, root=root,
                shows=[candidate.root],
                seconds=max(1, min(sandbox.SECONDS, round(end - time.monotonic()))),
            )  # fmt: skip

    try:
        config_check.judge(attempt, origins)
    except HostError as mute:
        yield from (Objection("error", problem) for problem in mute.problems)
    except MatrixConfigError as refused:
        for one in refused.problems:
            known = one.where != "Synapse"
            what = one.what.removeprefix("Synapse ")
            remedy = f"{one.remedy}, then `altpeter-matrix apply`" if known else (
                "correct settings.yaml or synapse.d (Synapse's upgrade notes tell what replaces"
                " an option), then `altpeter-matrix apply`"
            )  # fmt: skip
            yield error(one.where if known else candidate.name, f"{candidate.name} {what}", remedy)
