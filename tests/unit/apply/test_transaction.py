"""apply: what it does, and what it leaves alone."""

import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from altpeter_matrix.apply import input_fingerprint, services
from altpeter_matrix.apply.last_apply import Record
from altpeter_matrix.apply.transaction import apply
from altpeter_matrix.base import commands
from altpeter_matrix.base.errors import ActivationError, HostError, Problem, ValidationError
from altpeter_matrix.nginx import main_file

from ..fake_host import NAME, NGINX_UNIT, SYNAPSE_UNIT, FakeHost
from ..host_fixtures import fresh, serving

__all__ = ["fresh", "serving"]

SITE = "var/lib/altpeter-matrix/current/nginx/site.conf"
OPTIONS = "var/lib/altpeter-matrix/current/synapse/altpeter-matrix.yaml"
ENABLED = "etc/nginx/sites-enabled/altpeter-matrix"
CONF_D = "etc/matrix-synapse/conf.d/50-altpeter-matrix.yaml"


def settings(host: FakeHost, more: str) -> None:
    host.settings(f"server_name: {NAME}\n{more}")


def current(host: FakeHost) -> str:
    return host.paths.current.readlink().name


def whats(problems: tuple[Problem, ...]) -> str:
    return "\n".join(str(problem) for problem in problems)


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


@pytest.mark.parametrize(
    ("program", "output", "expected"),
    [
        ("synapse", "Error in configuration:\n  max_upload_size is odd", "max_upload_size is odd"),
        ("nginx", "nginx: [emerg] unknown directive", "unknown directive"),
    ],
)
def test_what_a_program_rejects_is_never_activated(
    serving: FakeHost, program: str, output: str, expected: str
) -> None:
    settings(serving, "presence: false\naliases: [chat.example.org]\n")
    serving.break_program(program, output)
    with pytest.raises((ValidationError, HostError), match=expected):
        apply(serving.host)
    assert current(serving) == "1"
    assert serving.actions() == []
    assert [path.name for path in serving.paths.generations.iterdir()] == ["1"]
    assert not Record(serving.paths).read().ok


def test_synapse_is_not_asked_twice_about_the_same_configuration(serving: FakeHost) -> None:
    serving.break_program("synapse", "asked")
    settings(serving, "aliases: [chat.example.org]\n")
    apply(serving.host)
    assert current(serving) == "2"


@pytest.mark.parametrize(
    "change",
    [
        "echo 'log_config: /x' >etc/matrix-synapse/conf.d/own.yaml",
        "chmod 600 etc/matrix-synapse/homeserver.yaml",
        "touch var/lib/dpkg/info/matrix-synapse-py3.list",
        "echo other >etc/matrix-synapse/homeserver.signing.key",
    ],
)
def test_synapse_is_asked_again_when_the_answer_may_be_another(
    serving: FakeHost, change: str
) -> None:
    serving.break_program("synapse", "asked")
    settings(serving, "aliases: [chat.example.org]\n")
    subprocess.run(["sh", "-ec", change], cwd=serving.root, check=True)
    with pytest.raises(ValidationError, match="asked"):
        apply(serving.host)
    assert current(serving) == "1"


def test_a_broken_addition_for_nginx_is_named(serving: FakeHost) -> None:
    serving.write("etc/altpeter-matrix/nginx.d/own.conf", "syntax-error;")
    serving.write(
        "fake-bin/nginx",
        "#!/bin/sh\n[ $1 = -v ] && echo 1.22.1 && exit\n"
        'site="$(dirname "$4")/sites-enabled/altpeter-matrix"; [ -e "$site" ] || exit 0\n'
        "local=$(sed -n 's/ *include \\(.*\\)\\*.conf;/\\1/p' \"$site\")\n"
        'echo "nginx: [emerg] unknown directive in ${local}own.conf:1"; exit 1\n',
        0o755,
    )
    with pytest.raises(ValidationError, match=r"/etc/altpeter-matrix/nginx\.d/own\.conf:1"):
        apply(serving.host)
    assert current(serving) == "1"


def test_an_nginx_that_others_broke_is_left_alone_and_said_so(serving: FakeHost) -> None:
    serving.write("etc/nginx/sites-enabled/other", "syntax-error;")
    settings(serving, "aliases: [chat.example.org]\n")
    with pytest.raises(ValidationError, match="not by altpeter-matrix"):
        apply(serving.host)
    assert serving.actions() == []


def unhealthy_once() -> Callable[..., list[Problem]]:
    answers = iter([[Problem("https://matrix", "answers 502", "look")]])
    return lambda *_args, **_options: next(answers, [])


def test_an_unhealthy_generation_is_taken_back(serving: FakeHost) -> None:
    settings(serving, "presence: false\n")
    with pytest.raises(ActivationError, match="generation 1 is active again"):
        apply(replace(serving.host, probe=unhealthy_once()))
    assert current(serving) == "1"
    assert serving.actions() == ["restart matrix-synapse.service"] * 2
    loaded = serving.paths.loaded("synapse").read_text()
    assert loaded == (serving.paths.current / "synapse/fingerprint").read_text()
    assert not (serving.paths.generations / "2").exists()


def test_packages_do_not_repeat_what_was_taken_back(serving: FakeHost) -> None:
    settings(serving, "presence: false\n")
    with pytest.raises(ActivationError):
        apply(replace(serving.host, probe=unhealthy_once()))
    serving.forget_calls()
    report = apply(serving.host, from_postinst=True)
    assert "nothing was applied" in whats(report.notices)
    assert serving.actions() == []
    assert apply(serving.host).generation == 2, "a person may try again"


@pytest.mark.parametrize("journal", ["quick", "slow"])
def test_a_service_that_does_not_start_is_taken_back(
    serving: FakeHost, journal: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A journal that does not answer in time must not hide it."""
    if journal == "slow":

        def run(program: str, *arguments: str, **options: Any) -> commands.Result:
            if program == "journalctl":
                raise HostError(Problem(program, "did not end within 60 s", ""))
            return commands.run(program, *arguments, **options)

        monkeypatch.setattr(services, "run", run)
    settings(serving, "presence: false\n")
    serving.write(
        "fake-bin/systemctl",
        (serving.root / "fake-bin/systemctl")
        .read_text()
        .replace("start | restart |", 'restart) if grep -q "generations/2" <<-X\n'
                 '$(readlink "$FAKE_ROOT/var/lib/altpeter-matrix/current")\nX\n'
                 'then echo "Job failed" >&2; exit 1; fi ;;&\n    start | restart |')
        .replace("#!/bin/sh", "#!/bin/bash"),
        0o755,
    )  # fmt: skip
    with pytest.raises(ActivationError, match=r"did not restart.*generation 1 is active again"):
        apply(serving.host)
    assert current(serving) == "1"


def test_ctrl_c_while_a_service_restarts_leaves_the_old_state(serving: FakeHost) -> None:
    settings(serving, "presence: false\n")

    def interrupt(*_args: object, **_options: object) -> list[Problem]:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        apply(replace(serving.host, probe=interrupt))
    assert current(serving) == "1"
    assert serving.actions() == ["restart matrix-synapse.service"] * 2


def edit(host: FakeHost) -> None:
    (host.root / SITE).write_text("# mine\n")


def delete(host: FakeHost) -> None:
    (host.root / SITE).unlink()


def add(host: FakeHost) -> None:
    host.write("var/lib/altpeter-matrix/current/nginx/local/extra.conf", "# mine\n")


def open_to_all(host: FakeHost) -> None:
    (host.root / OPTIONS).chmod(0o644)


def replace_link(host: FakeHost) -> None:
    """What `sed -i` does to a link."""
    (host.root / ENABLED).unlink()
    host.write(ENABLED, "# mine\n")


@pytest.mark.parametrize(
    ("tamper", "service"),
    [
        (edit, "reload nginx.service"),
        (delete, "reload nginx.service"),
        (add, "reload nginx.service"),
        (replace_link, "reload nginx.service"),
        (open_to_all, "restart matrix-synapse.service"),
    ],
)
def test_hand_made_changes_are_kept_aside_reported_and_replaced(
    serving: FakeHost, tamper: Callable[[FakeHost], None], service: str
) -> None:
    wanted = (serving.root / SITE).read_bytes()
    tamper(serving)
    report = apply(serving.host)
    assert "by hand" in whats(report.notices)
    assert serving.actions() == [service], "it may have loaded the change"
    assert (serving.root / SITE).read_bytes() == wanted
    assert (serving.root / ENABLED).is_symlink()
    assert apply(serving.host).done == ()
    if tamper in {edit, add, replace_link}:
        kept = [path for path in serving.paths.replaced.rglob("*") if path.is_file()]
        assert [path.read_text() for path in kept] == ["# mine\n"]


def test_a_lost_current_link_is_made_again(serving: FakeHost) -> None:
    serving.paths.current.unlink()
    apply(serving.host)
    assert serving.paths.current.exists()


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


def test_secrets_are_made_once(serving: FakeHost) -> None:
    before = {path.name: path.read_text() for path in serving.paths.secrets.iterdir()}
    settings(serving, "presence: false\n")
    apply(serving.host)
    assert {path.name: path.read_text() for path in serving.paths.secrets.iterdir()} == before
    assert {path.stat().st_mode & 0o777 for path in serving.paths.secrets.iterdir()} == {0o640}


def test_secrets_are_not_for_the_group_that_all_daemons_share(fresh: FakeHost) -> None:
    """Debian's own package leaves Synapse's user in nogroup."""
    fresh.write("etc/passwd", "matrix-synapse:x:100:65534::/:\n")
    fresh.write("etc/group", "nogroup:x:65534:\n")
    apply(fresh.host)
    assert (
        f"matrix-synapse:x:{os.getgid()}:matrix-synapse" in (fresh.root / "etc/group").read_text()
    )
    assert {path.stat().st_gid for path in fresh.paths.secrets.iterdir()} == {os.getgid()}
    assert apply(fresh.host).done == ()
    assert len(fresh.calls("groupadd")) == len(fresh.calls("usermod")) == 1


def test_an_empty_secret_is_refused_not_replaced(serving: FakeHost) -> None:
    """A new macaroon key would log everybody out."""
    (serving.paths.secrets / "macaroon_secret_key").write_text("")
    with pytest.raises(HostError, match="macaroon_secret_key: is empty"):
        apply(serving.host)


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
