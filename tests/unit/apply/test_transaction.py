"""apply: what it does, and what it leaves alone."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from altpeter_matrix.apply import input_fingerprint
from altpeter_matrix.apply.last_apply import Record
from altpeter_matrix.apply.transaction import apply
from altpeter_matrix.base.errors import Problem
from altpeter_matrix.nginx import main_file

from ..active_files import CONF_D, ENABLED, OPTIONS, SITE, current, settings, whats
from ..fake_host import NAME, NGINX_UNIT, SYNAPSE_UNIT, FakeHost
from ..host_fixtures import fresh, serving

__all__ = ["fresh", "serving"]


def test_first_apply_makes_a_server_of_a_fresh_host(fresh: FakeHost) -> None:
    report = apply(fresh.host)
    assert report.generation == 1
    assert "start matrix-synapse.service" in fresh.actions()
    assert "reload nginx.service" in fresh.actions()
    assert (fresh.root / ENABLED).readlink() == Path("../sites-available/altpeter-matrix")
    assert (fresh.root / CONF_D).readlink() == Path(f"/{OPTIONS}")
    assert (fresh.root / "cluster/database-synapse").exists()
    assert (fresh.root / "etc/matrix-synapse/homeserver.signing.key").exists()


@pytest.mark.parametrize(
    ("room", "synapse", "action"),
    [(False, "waiting", "restart"), (True, "waiting", "reload"), (False, "running", "reload")],
)
def test_nginx_is_restarted_for_its_main_file_only_where_nobody_is_served_yet(
    fresh: FakeHost, monkeypatch: pytest.MonkeyPatch, room: bool, synapse: str, action: str
) -> None:
    monkeypatch.setattr(main_file, "in_use", lambda pid: room)
    with (fresh.root / "units" / NGINX_UNIT).open("a", encoding="utf-8") as unit:
        unit.write("MainPID=12\n")
    fresh.unit(SYNAPSE_UNIT, synapse)
    apply(fresh.host)
    assert f"{action} {NGINX_UNIT}" in fresh.actions()


def test_second_apply_touches_no_service(serving: FakeHost) -> None:
    report = apply(serving.host)
    assert (report.generation, report.done) == (1, ())
    assert serving.actions() == []
    assert serving.calls("nginx") == [], "not even nginx -t"


def test_an_apply_with_nothing_to_do_has_what_is_held_back_tried_again(serving: FakeHost) -> None:
    """altpeter-matrix-upgrade-check.path sees that the outcome was touched."""
    outcome = serving.paths.outcome
    before = outcome.stat().st_mtime_ns
    apply(serving.host)
    assert outcome.stat().st_mtime_ns == before
    serving.paths.held_back.write_text("{}")
    apply(serving.host)
    assert outcome.stat().st_mtime_ns > before


def test_a_change_for_nginx_does_not_restart_synapse(serving: FakeHost) -> None:
    settings(serving, "aliases: [chat.example.org]\n")
    apply(serving.host)
    assert serving.actions() == ["reload nginx.service"]


def test_a_change_for_synapse_does_not_reload_nginx(serving: FakeHost) -> None:
    settings(serving, "presence: false\n")
    apply(serving.host)
    assert serving.actions() == ["restart matrix-synapse.service"]


def test_statistics_are_set_where_synapses_package_keeps_them(serving: FakeHost) -> None:
    settings(serving, "report_stats: true\n")
    apply(serving.host)
    text = (serving.paths.synapse_conf_d / "report_stats.yaml").read_text()
    assert "\nreport_stats: true\n" in text
    assert serving.calls("debconf-communicate") == ["matrix-synapse-py3"]
    assert serving.actions() == ["restart matrix-synapse.service"]


def test_a_certificate_that_comes_during_an_apply_is_taken_by_the_next(fresh: FakeHost) -> None:
    """certbot, or an update of nginx, may come while Synapse restarts."""
    live = f"etc/letsencrypt/live/{NAME}"

    def certbot_comes(*_args: object, **_options: object) -> list[Problem]:
        for name in ("fullchain.pem", "privkey.pem"):
            fresh.write(f"{live}/{name}", "issued")
        return []

    apply(replace(fresh.host, probe=certbot_comes))
    assert live not in (fresh.root / SITE).read_text()
    apply(fresh.host)
    assert live in (fresh.root / SITE).read_text()
    assert apply(fresh.host).done == ()


def test_a_generation_keeps_the_settings_that_it_was_made_from(fresh: FakeHost) -> None:
    """Not those that somebody writes while it is made: `status` asks for what these promise."""
    before = fresh.paths.settings.read_text()
    nginx = fresh.root / "fake-bin/nginx"
    edit = f"echo 'aliases: [chat.example.org]' >>{fresh.paths.settings}\n"
    nginx.write_text(f"{nginx.read_text()}[ $1 != -v ] || {edit}")
    apply(fresh.host)
    assert fresh.paths.settings.read_text() != before
    assert (fresh.paths.current / "settings.yaml").read_text() == before


def test_what_python_compiles_meanwhile_is_no_change(
    fresh: FakeHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hook or a timer may import a module for the first time, or dpkg remove what is compiled."""
    package = fresh.root / "package"
    fresh.write("package/apply/input_fingerprint.py", "")
    compiled = fresh.write(
        "package/apply/__pycache__/input_fingerprint.cpython-311.pyc.140", "half"
    )
    monkeypatch.setattr(input_fingerprint, "__file__", str(package / "apply/input_fingerprint.py"))
    apply(fresh.host)
    compiled.unlink()
    assert input_fingerprint.fingerprint(fresh.paths) == Record(fresh.paths).read().inputs
    fresh.write("package/apply/input_fingerprint.py", "newer")
    assert input_fingerprint.fingerprint(fresh.paths) != Record(fresh.paths).read().inputs


def test_a_comment_in_the_settings_makes_no_generation(serving: FakeHost) -> None:
    settings(serving, "# just a thought\n")
    assert apply(serving.host).done == ()
    assert current(serving) == "1"
    assert serving.actions() == []


@pytest.mark.parametrize("unit", [SYNAPSE_UNIT, NGINX_UNIT])
def test_a_service_stopped_on_purpose_stays_stopped(serving: FakeHost, unit: str) -> None:
    serving.unit(unit, "stopped on purpose")
    settings(serving, "presence: false\naliases: [chat.example.org]\n")
    report = apply(serving.host)
    assert not any(unit in action for action in serving.actions())
    assert f"{unit}: is stopped, so it was not started" in whats(report.notices)


def test_without_systemd_everything_is_made_and_nothing_started(fresh: FakeHost) -> None:
    fresh.paths.systemd_running.rmdir()
    apply(fresh.host)
    assert fresh.paths.current.exists()
    assert (fresh.root / ENABLED).is_symlink()
    assert fresh.calls("systemctl") == fresh.calls("postgresql") == []


def test_ten_old_generations_are_kept(serving: FakeHost) -> None:
    generations = serving.paths.generations
    for number in range(2, 13):
        shutil.copytree(generations / "1", generations / f"{number}", symlinks=True)
    for size in (10, 11):
        settings(serving, f"uploads: {{max_size: {size}M}}\n")
        apply(serving.host)
    kept = sorted(int(path.name) for path in generations.iterdir())
    assert kept == list(range(4, 15))


def test_the_hold_listens_before_synapse_restarts(serving: FakeHost) -> None:
    """nginx brings it along when it starts, but a nginx that ran before is only reloaded."""
    serving.write("hold-is-down", "")
    serving.settings(f"server_name: {NAME}\npresence: false\n")
    serving.forget_calls()
    apply(serving.host)
    actions = serving.actions()
    hold = actions.index("start altpeter-matrix-hold.socket")
    assert hold < actions.index("restart matrix-synapse.service")


def test_a_hold_of_fewer_sockets_gets_the_others(serving: FakeHost) -> None:
    """That of 0.1 had one, and went on with it until the host was booted."""
    serving.write("run/altpeter-matrix/hold.sock", "")
    serving.settings(f"server_name: {NAME}\npresence: false\n")
    serving.forget_calls()
    apply(serving.host)
    actions = serving.actions()
    hold = actions.index("restart altpeter-matrix-hold.socket")
    assert hold < actions.index("restart matrix-synapse.service")
