"""Whether Synapse knows an account."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from tasks.observe import profile_lookup


class Profiles(BaseHTTPRequestHandler):
    """A Synapse that knows one account."""

    def do_GET(self) -> None:
        known = self.path == "/_matrix/client/v3/profile/%40a%2Fb%3Aexample.org"
        self.send_response(200 if known else 404)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def synapse() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), Profiles) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("user_id", "said"),
    [("@a/b:example.org", "administrator active\n"), ("@nobody:example.org", "")],
)
def test_it_is_what_the_profile_says(
    synapse: str, user_id: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    profile_lookup.main(synapse, user_id)
    assert capsys.readouterr().out == said


def test_nothing_is_said_of_a_synapse_that_does_not_answer(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with HTTPServer(("127.0.0.1", 0), Profiles) as gone:
        address = f"http://127.0.0.1:{gone.server_address[1]}"
    profile_lookup.main(address, "@a:example.org")
    assert capsys.readouterr().out == ""
