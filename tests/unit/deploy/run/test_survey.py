"""What stops a run of deploy.py before any host is touched."""

from pathlib import Path
from typing import Any

import pytest

from tasks.run.errors import Refused
from tests.unit.deploy.fake_deploy import (
    BARE,
    answers,
    fake_state,
    run,
    told,
)
from tests.unit.deploy.runs import data, deploy_bare, deploy_changed

__all__ = ["data"]


def test_settings_that_the_host_refuses_stop_the_run(data: dict[str, Any]) -> None:
    complaint = "error: nginx: mine.conf is broken; correct it\nexit 1"
    with pytest.raises(Refused, match=r"nginx: mine\.conf is broken"):
        deploy_changed(data, responses={"altpeter-matrix check": complaint}, presence=False)


def test_one_bad_host_stops_the_run_before_any_is_touched(data: dict[str, Any]) -> None:
    bad = {**data, "matrix": {"server_nam": "example.org"}}
    with fake_state({"good": data, "bad": bad}) as state:
        for host in state.inventory:
            answers(host, BARE)
        with pytest.raises(Refused, match=r"server_nam.*@fake/bad"):
            run(state)
        assert [told(host) for host in state.inventory] == [[], []]


def test_problems_of_all_hosts_are_shown_together(data: dict[str, Any]) -> None:
    with fake_state({"one": data, "two": data}) as state:
        for host in state.inventory:
            answers(host, {**BARE, "systemd": ""})
        with pytest.raises(Refused) as refused:
            run(state)
    assert {problem.where.partition(":")[0] for problem in refused.value.problems} == {
        "@fake/one", "@fake/two",
    }  # fmt: skip


def test_a_key_with_another_fingerprint_is_refused(data: dict[str, Any]) -> None:
    data["matrix"]["synapse_repository"] = {"key_fingerprint": "0" * 40}
    with pytest.raises(Refused, match="does not give the host the key 0000"):
        deploy_bare(data)


def test_a_repository_without_the_release_is_refused(data: dict[str, Any]) -> None:
    with fake_state({"bare": data}) as state:
        [host] = state.inventory
        answers(host, BARE, **{"/InRelease ": ""})
        with pytest.raises(Refused, match=r"dists/bookworm/InRelease.*synapse_repository\.uri"):
            run(state)


def test_settings_in_python_that_yaml_cannot_say_are_refused(data: dict[str, Any]) -> None:
    data["matrix"] = {**data["matrix"], "synapse": {"pid_file": Path("/run/x")}}
    with pytest.raises(Refused, match=r"synapse\.pid_file .*: is a PosixPath, .*; write /run/x"):
        deploy_bare(data)


def test_a_host_without_settings_is_refused(data: dict[str, Any]) -> None:
    del data["matrix"]
    with pytest.raises(Refused, match="has no settings; put it into a group"):
        deploy_bare(data)


def test_a_missing_package_names_the_command_that_builds_it(data: dict[str, Any]) -> None:
    with pytest.raises(Refused, match="make deb"):
        deploy_bare({**data, "package": "dist/altpeter-matrix-config_9_all.deb"})
