"""A configuration that nginx or Synapse rejects is never activated."""

import subprocess

import pytest

from altpeter_matrix.apply.last_apply import Record
from altpeter_matrix.apply.transaction import apply
from altpeter_matrix.base.errors import HostError, ValidationError

from ..active_files import current, settings
from ..fake_host import FakeHost
from ..host_fixtures import serving

__all__ = ["serving"]


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
