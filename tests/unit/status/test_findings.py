"""`altpeter-matrix status`: what it finds on a host, well or not."""

import json
from collections.abc import Iterator
from dataclasses import replace

import pytest

from altpeter_matrix.apply.transaction import apply
from altpeter_matrix.base.errors import MatrixConfigError, Problem
from altpeter_matrix.status.check import Check
from altpeter_matrix.status.findings import Status, status
from altpeter_matrix.status.found import Found
from altpeter_matrix.status.text import text
from altpeter_matrix.status.view import View

from ..fake_host import NAME, SYNAPSE_UNIT, FakeHost
from ..host_fixtures import fresh, serving

__all__ = ["fresh", "serving"]


def look(host: FakeHost) -> Status:
    return status(host.host)


def errors(found: Status) -> str:
    return "\n".join(
        str(finding.problem) for finding in found.findings if finding.severity == "error"
    )


def notices(found: Status) -> str:
    return "\n".join(
        str(finding.problem) for finding in found.findings if finding.severity == "warning"
    )


def test_status_of_a_healthy_server(serving: FakeHost) -> None:
    found = look(serving)
    # The fake openssl shows no certificate: that one error is its own.
    assert errors(found).count("\n") == 0
    assert (found.generation, found.last_apply.ok, found.pending) == (1, True, False)
    assert found.units["nginx.service"].startswith("active")
    json.dumps(found.as_json(), default=str)


def test_status_before_the_first_apply_says_so(fresh: FakeHost) -> None:
    found = look(fresh)
    assert not found.healthy
    assert "nothing was applied yet; run `altpeter-matrix apply`" in errors(found)
    assert text(found).startswith("NOT HEALTHY")


def test_status_repeats_why_the_last_apply_failed(serving: FakeHost) -> None:
    serving.settings(f"server_name: {NAME}\npresense: false\n")
    with pytest.raises(MatrixConfigError):
        apply(serving.host)
    assert "did you mean presence?" in errors(look(serving))


def test_status_sees_a_pending_change(serving: FakeHost) -> None:
    serving.settings(f"server_name: {NAME}\npresence: false\n")
    found = look(serving)
    assert found.pending
    assert "see `altpeter-matrix diff`" in notices(found)


def test_status_sees_edits_deleted_links_and_stopped_services(serving: FakeHost) -> None:
    (serving.paths.current / "nginx/site.conf").write_text("# mine\n")
    (serving.root / "etc/nginx/sites-enabled/altpeter-matrix").unlink()
    serving.unit(SYNAPSE_UNIT, "stopped on purpose")
    found = look(serving)
    assert "site.conf: was edited by hand" in errors(found)
    assert "is stopped; `systemctl start matrix-synapse.service`" in errors(found)
    assert "was deleted, so it stays away" in notices(found)


def test_status_sees_that_synapse_could_not_start_again(serving: FakeHost) -> None:
    (serving.root / "etc/matrix-synapse/conf.d/50-altpeter-matrix.yaml").unlink()
    assert "50-altpeter-matrix.yaml: is missing; `altpeter-matrix apply`" in errors(look(serving))


def test_status_sees_a_lost_restart(serving: FakeHost) -> None:
    serving.paths.loaded("synapse").write_text("older\n")
    assert "runs with an older configuration" in errors(look(serving))


def test_status_sees_that_requests_would_not_wait_for_a_restart(serving: FakeHost) -> None:
    systemctl = serving.root / "fake-bin/systemctl"
    real = systemctl.rename(systemctl.with_name("systemctl.real"))
    serving.write(
        "fake-bin/systemctl",
        f'#!/bin/sh\ncase "$*" in *hold.socket) exit 3 ;; esac\nexec {real} "$@"\n',
        0o755,
    )
    assert "does not listen, so requests fail while Synapse restarts" in errors(look(serving))


def test_status_sees_what_does_not_answer(serving: FakeHost) -> None:
    problem = Problem(f"https://{NAME}:443", "answers 502", "look")
    found = status(replace(serving.host, probe=lambda *_arguments, **_options: [problem]))
    assert "answers 502" in errors(found)


def test_what_is_not_well_is_named_by_its_id_with_its_command(serving: FakeHost) -> None:
    serving.unit(SYNAPSE_UNIT, "stopped on purpose")
    found = look(serving)
    [stopped] = [one for one in found.findings if one.id == "synapse-stopped"]
    assert stopped.command == "systemctl start matrix-synapse.service"
    assert (found.exit_code, found.as_json()["healthy"]) == (1, False)
    told = next(one for one in found.as_json()["findings"] if one["id"] == "synapse-stopped")
    assert (told["severity"], told["error"], told["page"]) == ("error", True, "recovery.md")


def test_what_could_not_be_asked_is_not_well(serving: FakeHost) -> None:
    def breaks(_view: View) -> Iterator[Found]:
        raise KeyError("x")

    found = status(serving.host, checks=[Check("a", breaks, (), live=False)])
    assert (found.healthy, found.exit_code) == (False, 2)
    assert text(found, every=True).startswith("NOT KNOWN: something could not be asked\nunknown: a")
    assert "a                                       unknown: KeyError: 'x'" in text(
        found, every=True
    )


def test_texts_do_not_change_while_the_server_does_not(serving: FakeHost) -> None:
    serving.unit(SYNAPSE_UNIT, "stopped on purpose")
    assert look(serving).findings == look(serving).findings
