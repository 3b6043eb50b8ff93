"""When services start, restart, reload, and when they are left alone."""

import pytest

from altpeter_matrix.apply.services import NGINX, SYNAPSE, Action, Unit, decide

HELD_BACK = {"ConditionResult": "no", "ConditionTimestampMonotonic": "5"}


def unit(active: str, **more: str) -> Unit:
    usual = {
        "LoadState": "loaded",
        "ActiveState": active,
        "Result": "success",
        "UnitFileState": "enabled",
        "ConditionResult": "yes",
        "ConditionTimestampMonotonic": "5",
    }
    return Unit("x.service", {**usual, **more})


@pytest.mark.parametrize(
    ("program", "state", "loaded", "expected"),
    [
        (SYNAPSE, unit("active"), "new", Action.NOTHING),
        (SYNAPSE, unit("active"), "old", Action.RESTART),
        (SYNAPSE, unit("active"), None, Action.RESTART),
        (NGINX, unit("active"), "old", Action.RELOAD),
        (NGINX, unit("active"), None, Action.RELOAD),
        # Its condition failed: there was no generation yet.
        (SYNAPSE, unit("inactive", **HELD_BACK), None, Action.START),
        # Installed, and never started since boot.
        (SYNAPSE, unit("inactive", ConditionTimestampMonotonic="0"), None, Action.START),
        (SYNAPSE, unit("failed", Result="exit-code"), "new", Action.START),
        # Starting, or waiting for its automatic restart, with a configuration of yesterday.
        (SYNAPSE, unit("activating"), "old", Action.RESTART),
        # Starting with what is current, because a killed run asked for it: wait.
        (SYNAPSE, unit("activating"), "new", Action.START),
        (SYNAPSE, unit("deactivating"), "old", Action.START),
        # Decisions of the administrator.
        (SYNAPSE, unit("inactive"), "old", Action.LEAVE),
        (SYNAPSE, unit("inactive", UnitFileState="disabled", **HELD_BACK), None, Action.LEAVE),
        (NGINX, unit("inactive", LoadState="masked"), "old", Action.LEAVE),
        # Started by hand although it is disabled: it runs, so it gets what is current.
        (SYNAPSE, unit("active", UnitFileState="disabled"), "old", Action.RESTART),
    ],
)
def test_the_decision(program: str, state: Unit, loaded: str | None, expected: Action) -> None:
    assert decide(program, state, loaded, "new") is expected
