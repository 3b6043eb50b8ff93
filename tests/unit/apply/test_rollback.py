"""`altpeter-matrix rollback`: back to an earlier generation and what it promised."""

from dataclasses import replace

import pytest

from altpeter_matrix.apply.rollback import rollback
from altpeter_matrix.apply.transaction import apply
from altpeter_matrix.base.errors import HostError, Problem
from altpeter_matrix.settings.model import Settings
from altpeter_matrix.status.findings import status

from ..fake_host import NAME, FakeHost
from ..host_fixtures import serving

__all__ = ["serving"]


def test_rollback_brings_the_files_of_before_and_holds_packages_still(serving: FakeHost) -> None:
    before = (serving.paths.current / "synapse/altpeter-matrix.yaml").read_bytes()
    serving.settings(f"server_name: {NAME}\npresence: false\n")
    apply(serving.host)
    serving.forget_calls()
    assert rollback(serving.host, None).generation == 1
    assert (serving.paths.current / "synapse/altpeter-matrix.yaml").read_bytes() == before
    assert serving.actions() == ["restart matrix-synapse.service"]
    report = apply(serving.host, from_postinst=True)
    assert "brought back by `altpeter-matrix rollback`" in str(report.notices[0])
    assert serving.paths.current.readlink().name == "1"
    assert apply(serving.host).generation == 2


def test_rollback_and_status_ask_for_what_the_active_generation_was_told_to_serve(
    serving: FakeHost,
) -> None:
    asked: list[Settings] = []

    def probe(settings: Settings, **_options: object) -> list[Problem]:
        asked.append(settings)
        return []

    host = replace(serving.host, probe=probe)
    serving.settings(f"server_name: {NAME}\nwell_known: {{client: {{org.example: 1}}}}\n")
    status(host)
    apply(host)
    rollback(host, None)
    status(host)
    assert [settings.well_known.client for settings in asked] == [{}, {"org.example": 1}, {}, {}]


def test_rollback_to_a_damaged_or_missing_generation_is_refused(serving: FakeHost) -> None:
    serving.settings(f"server_name: {NAME}\npresence: false\n")
    apply(serving.host)
    with pytest.raises(HostError, match="generation 7: is not there"):
        rollback(serving.host, 7)
    (serving.paths.generations / "1/nginx/site.conf").write_text("# mine\n")
    with pytest.raises(HostError, match="was edited by hand"):
        rollback(serving.host, 1)
