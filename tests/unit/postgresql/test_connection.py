"""What Synapse's user answers in the place of PostgreSQL may be anything, and harms nobody."""

import time
from pathlib import Path

import pytest

from altpeter_matrix.base.errors import HostError
from altpeter_matrix.postgresql.connection import (
    Limits,
    Statement,
    as_superuser,
    as_synapse,
    number,
)

QUESTION = Statement("select 1")
HOSTILE = {
    "nothing": "",
    "no JSON": "echo Traceback",
    "deep": "head -c 100000 /dev/zero | tr '\\0' '['",
    "too much": "head -c 9000000 /dev/zero | tr '\\0' x",
    "no object": "echo '[]'",
    "another number of answers": """echo '{"answers": [[[1]], [[2]]]}'""",
    "rows that are none": """echo '{"answers": [["x"]]}'""",
    "values that are none": """echo '{"answers": [[[{"a": 1}]]]}'""",
    "a number without end": """printf '{"answers": [[[%09000d]]]}' 0 | tr 0 9""",
}  # fmt: skip


@pytest.fixture
def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What is run in the place of the client; a shell script."""
    program = tmp_path / "runuser"
    program.touch(mode=0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return program


def says(client: Path, script: str) -> None:
    client.write_text(f"#!/bin/sh\n{script}\n")


def refusal(seconds: float = 2) -> str:
    with pytest.raises(HostError) as raised:
        as_synapse("synapse", QUESTION, limits=Limits(seconds))
    return str(raised.value)


def test_rows_come_back_with_their_types(client: Path) -> None:
    says(client, """echo 'a warning'; echo '{"answers": [[[1, "a", true, null]]]}'""")
    assert as_synapse("synapse", QUESTION) == [[[1, "a", True, None]]]


@pytest.mark.parametrize("script", HOSTILE.values(), ids=HOSTILE)
def test_any_other_answer_is_none(client: Path, script: str) -> None:
    says(client, script)
    assert "does not answer matrix-synapse" in refusal()


def test_what_it_says_is_one_short_line_without_control_characters(client: Path) -> None:
    says(client, r"""printf '{"error": "a\\u001b[2J\\nb\\u0007%02000d"}' 0""")
    shown = refusal()
    assert "a [2J b 000" in shown
    assert shown.isprintable()
    assert len(shown) < 700


@pytest.mark.parametrize("script", ["exec sleep 60", "sleep 60 & exit", "yes | tr -d y", "yes"])
def test_it_is_not_waited_for_longer_than_allowed(
    client: Path, script: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("altpeter_matrix.postgresql.connection._CONNECT", 0)
    says(client, script)
    began = time.monotonic()
    refusal(0.5)
    assert time.monotonic() - began < 5


def test_it_gets_nothing_of_our_environment_and_no_terminal(
    client: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGOPTIONS", "-c search_path=evil")
    monkeypatch.setenv("SECRET", "x")
    says(client, """
        [ -z "$PGOPTIONS$SECRET" ] && [ "$(ps -o sid= -p $$)" -eq $$ ] && echo '{"answers": [[]]}'
    """)  # fmt: skip
    assert as_synapse("synapse", QUESTION) == [[]]


def test_a_superuser_asks_only_databases_of_postgresql_with_a_fixed_search_path(
    client: Path, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match="superuser in synapse"):
        as_superuser(QUESTION, database="synapse")
    says(client, f"""cat >{tmp_path}/request; echo '{{"answers": [[]]}}'""")
    as_superuser(QUESTION)
    request = (tmp_path / "request").read_text()
    assert "-c search_path=pg_catalog,pg_temp" in request
    assert "-c statement_timeout=30000 -c lock_timeout=30000" in request


@pytest.mark.parametrize(
    ("rows", "expected"),
    [([[94]], 94), ([], None), ([[]], None), ([["94"]], None), ([[True]], None)],
)  # fmt: skip
def test_a_number_is_one(rows: list[list[str | int | bool | None]], expected: int | None) -> None:
    assert number(rows) == expected
