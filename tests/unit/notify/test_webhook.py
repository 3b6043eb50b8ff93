"""What is posted, with which rights, and what becomes of a refusal."""

import http.client
import json
from pathlib import Path

import pytest

from altpeter_matrix.base.errors import HostError, MatrixConfigError, Problem
from altpeter_matrix.base.paths import Paths
from altpeter_matrix.notify import webhook
from altpeter_matrix.notify.news import Finding, Message, News, message
from altpeter_matrix.settings.model import Settings

from ..samples import settings

TOKEN = "tk_only_for_this_test"
NEWS = News("new", Finding("a", "error", Problem("here", "is bäd", "do"), "x.md"), 0)
TOLD = message("example.org", [NEWS])


class Connection:
    """In the place of http.client.HTTPSConnection."""

    posts: list[tuple[str, str, bytes, dict[str, str]]]
    status, said = 200, b"{}"
    broken: Exception | None = None
    reason = "OK"

    def __init__(self, host: str, port: int | None, **_: object) -> None:
        self.host, self.port = host, port

    def request(self, method: str, target: str, body: bytes, headers: dict[str, str]) -> None:
        if self.broken:
            raise self.broken
        self.posts.append((method, f"{self.host}:{self.port}{target}", body, headers))

    def getresponse(self) -> "Connection":
        return self

    def read(self, _most: int) -> bytes:
        return self.said

    def close(self) -> None:
        pass


@pytest.fixture(autouse=True)
def server(monkeypatch: pytest.MonkeyPatch) -> type[Connection]:
    fresh: type[Connection] = type("Fresh", (Connection,), {"posts": []})
    monkeypatch.setattr(http.client, "HTTPSConnection", fresh)
    return fresh


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    (tmp_path / "token").write_text(f"{TOKEN}\n")
    return Paths(tmp_path)


def told(form: str = "ntfy", token: str = "token_file: /token") -> Settings:
    url = "https://ntfy.example.org:8443/ours?a=b"
    hook = f'{{url: "{url}", format: {form}, {token}}}'
    return settings(f"server_name: example.org\nnotify: {{webhook: {hook}}}\n")


def test_ntfy_gets_a_text_and_headers(paths: Paths, server: type[Connection]) -> None:
    webhook.send(paths, told(), TOLD)
    ((method, where, body, headers),) = server.posts
    assert (method, where) == ("POST", "ntfy.example.org:8443/ours?a=b")
    assert body.decode() == TOLD.text
    assert headers["Title"] == "[example.org] error: here: is b?d"
    assert headers["Priority"] == "high"
    assert headers["Authorization"] == f"Bearer {TOKEN}"
    assert (paths.root / "token").stat().st_mode & 0o777 == 0o600


def test_json_has_each_fault(paths: Paths, server: type[Connection]) -> None:
    webhook.send(paths, told("json", token=""), TOLD)
    ((_, _, body, headers),) = server.posts
    content = json.loads(body)
    assert "Authorization" not in headers
    assert content["title"] == TOLD.title and content["urgent"] is True
    assert content["news"] == [
        {
            "event": "new", "id": "a", "severity": "error", "where": "here", "what": "is bäd",
            "remedy": "do", "time": "1970-01-01 00:00 UTC",
        }
    ]  # fmt: skip


def test_a_long_text_is_cut_where_a_letter_ends(paths: Paths, server: type[Connection]) -> None:
    webhook.send(paths, told(), Message("t", "ä" * 5000))
    body = server.posts[0][2]
    assert len(body) < 4096 and body.decode().endswith("has the rest.\n")


@pytest.mark.parametrize("status", [301, 403, 500])
def test_a_refusal_names_the_answer_and_not_the_token(
    paths: Paths, server: type[Connection], status: int
) -> None:
    server.status, server.said = status, f"no: {TOKEN}\x1b[2J".encode()
    with pytest.raises(HostError) as refused:
        webhook.send(paths, told(), TOLD)
    text = str(refused.value)
    assert f"answered {status}: no: «secret»" in text
    assert TOKEN not in text and "\x1b" not in text and "notify test" in text


def test_no_answer(paths: Paths, server: type[Connection]) -> None:
    server.broken = TimeoutError("timed out")
    with pytest.raises(HostError, match=r"webhook at ntfy.example.org:8443: TimeoutError"):
        webhook.send(paths, told(), TOLD)


@pytest.mark.parametrize("content", [None, "", "two\nlines\n", "kö\n"])
def test_a_token_that_cannot_be_one(
    paths: Paths, server: type[Connection], content: str | None
) -> None:
    (paths.root / "token").unlink()
    if content is not None:
        (paths.root / "token").write_text(content)
    with pytest.raises(MatrixConfigError):
        webhook.send(paths, told(), TOLD)
    assert server.posts == []
