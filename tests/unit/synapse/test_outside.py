"""Asking as another server does."""

import socket
import ssl
import urllib.error
from email.message import Message

import pytest

from altpeter_matrix.synapse import outside


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (urllib.error.HTTPError("https://a", 404, "x", Message(), None), "answers 404"),
        (urllib.error.URLError(ConnectionRefusedError(111, "Connection refused")),
         "Connection refused"),
        (urllib.error.URLError(TimeoutError("timed out")), "no answer in time"),
        (ssl.SSLError(1, "[SSL] wrong version number"), "[SSL] wrong version number"),
        (ValueError("x"), "is no JSON"),
        (socket.gaierror(-2, "Name or service not known"), "Name or service not known"),
    ],
)  # fmt: skip
def test_reasons_in_a_few_words(error: Exception, said: str) -> None:
    assert outside.reason(error) == said


def test_nobody_is_there() -> None:
    with pytest.raises(outside.Refused, match="Connection refused"):
        outside.get("127.0.0.1", 1, "example.org", outside.KEYS)


def test_keys_of_an_answer() -> None:
    assert outside.keys({"verify_keys": {"ed25519:a": {"key": "x"}, "b": 7}}) == {"ed25519:a": "x"}
    assert outside.keys({"verify_keys": []}) == {}
