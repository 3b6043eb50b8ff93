"""What an administrator adds in files of his own."""

from altpeter_matrix.apply.transaction import apply

from ..fake_host import NAME, FakeHost
from ..host_fixtures import serving

__all__ = ["serving"]


def test_files_of_an_administrator_may_begin_with_a_byte_order_mark(serving: FakeHost) -> None:
    serving.settings(f"\ufeffserver_name: {NAME}\r\npresence: false\r\n")
    serving.write("etc/altpeter-matrix/nginx.d/a.conf", "\ufefflocation /a { return 204; }\n")
    serving.write("etc/altpeter-matrix/synapse.d/a.yaml", "\ufeffrc_login: {}\r\n")
    apply(serving.host)
    assert (serving.paths.current / "nginx/local/a.conf").read_text()[0] == "l"
    options = (serving.paths.current / "synapse/altpeter-matrix.yaml").read_text()
    assert "\nrc_login: {}\n" in options
    assert "enabled: false" in options
