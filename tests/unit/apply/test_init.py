"""`altpeter-matrix init`: the first settings, and where the server's name comes from."""

import pytest

from altpeter_matrix.apply.init import init
from altpeter_matrix.apply.prepared import read_settings
from altpeter_matrix.apply.transaction import apply
from altpeter_matrix.base.errors import HostError

from ..fake_host import NAME, FakeHost
from ..host_fixtures import fresh, serving

__all__ = ["fresh", "serving"]


def test_init_writes_settings_once_with_the_name_of_the_server(fresh: FakeHost) -> None:
    fresh.paths.settings.unlink()
    fresh.write("etc/matrix-synapse/conf.d/report_stats.yaml", "report_stats: true\n")
    assert init(fresh.paths) == NAME
    settings = read_settings(fresh.paths)
    assert (settings.server_name, settings.report_stats) == (NAME, True)
    fresh.settings(f"server_name: {NAME}\n# mine\n")
    assert init(fresh.paths, "other.example.org") is None
    assert "# mine" in fresh.paths.settings.read_text()


def test_init_on_a_server_in_use_writes_the_settings_it_serves(serving: FakeHost) -> None:
    text = f"# mine\nserver_name: {NAME}\naliases: [chat.example.org]\n"
    serving.paths.settings.write_text(text)
    apply(serving.host)
    serving.paths.settings.unlink()
    assert init(serving.paths) == NAME
    assert serving.paths.settings.read_text() == text


def test_init_takes_the_preseeded_answer(fresh: FakeHost) -> None:
    fresh.paths.settings.unlink()
    fresh.write("etc/matrix-synapse/conf.d/server_name.yaml", "server_name: \n")
    fresh.write("fake-bin/debconf-communicate", "#!/bin/sh\necho 0 preseeded.example.org\n", 0o755)
    assert init(fresh.paths) == "preseeded.example.org"


def test_init_takes_the_answer_to_our_question_only_when_synapse_has_no_name(
    fresh: FakeHost,
) -> None:
    fresh.paths.settings.unlink()
    assert init(fresh.paths, if_unknown="answer.example.org") == NAME
    fresh.paths.settings.unlink()
    (fresh.paths.synapse_conf_d / "server_name.yaml").write_text("server_name: ''\n")
    assert init(fresh.paths, if_unknown="answer.example.org") == "answer.example.org"


def test_init_without_any_usable_name_says_what_to_do(
    fresh: FakeHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    fresh.paths.settings.unlink()
    fresh.write("etc/matrix-synapse/conf.d/server_name.yaml", "server_name: \n")
    fresh.write("fake-bin/debconf-communicate", "#!/bin/sh\necho 10 no question\n", 0o755)
    monkeypatch.setattr("socket.getfqdn", lambda: "debian")
    with pytest.raises(HostError, match=r"init --server-name example\.org"):
        init(fresh.paths)
    assert not fresh.paths.settings.exists()
