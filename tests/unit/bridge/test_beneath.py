"""PostgreSQL restarts while Synapse is away, and Synapse comes back whatever became of it."""

import subprocess

import pytest

from altpeter_matrix.bridge import beneath

SYNAPSE, POSTGRESQL = "matrix-synapse.service", "postgresql@17-main.service"


@pytest.mark.parametrize("raises", [False, True])
def test_synapse_stops_first_and_is_started_in_any_case(
    monkeypatch: pytest.MonkeyPatch, raises: bool
) -> None:
    calls: list[list[str]] = []

    def run(argv: list[str], check: bool) -> "subprocess.CompletedProcess[str]":
        assert not check
        calls.append(argv[1:])
        if raises and argv[1] == "restart":
            raise KeyboardInterrupt
        return subprocess.CompletedProcess(argv, 3)

    monkeypatch.setattr(subprocess, "run", run)
    if raises:
        with pytest.raises(KeyboardInterrupt):
            beneath.main(POSTGRESQL, SYNAPSE)
    else:
        assert beneath.main(POSTGRESQL, SYNAPSE) == 3
    assert calls == [["stop", SYNAPSE], ["restart", POSTGRESQL], ["start", SYNAPSE]]
