"""The way from a server name to the server."""

from collections.abc import Mapping

import pytest

from altpeter_matrix.host import dns
from altpeter_matrix.synapse import delegation, outside

RECORDS = {
    "_matrix-fed._tcp.example.org": ["20 0 443 second.test", "10 1 8448 Third.test", "10 5 1 a.b"],
    "_matrix._tcp.old.test": ["10 5 443 there.test"],
    # It says that there is no such service.
    "_matrix-fed._tcp.none.test": ["0 0 0 "],
}


@pytest.mark.parametrize(
    ("named", "places"),
    [
        ("example.org:443", ["example.org:443 example.org"]),
        ("Example.org", ["a.b:1 example.org", "third.test:8448 example.org",
                         "second.test:443 example.org"]),
        ("old.test", ["there.test:443 old.test"]),
        ("none.test", ["none.test:8448 none.test"]),
        ("plain.test", ["plain.test:8448 plain.test"]),
        ("192.0.2.1", ["192.0.2.1:8448 192.0.2.1"]),
        ("[2001:db8::1]", ["[2001:db8::1]:8448 2001:db8::1"]),
        ("[2001:db8::1]:443", ["[2001:db8::1]:443 2001:db8::1"]),
    ],
)  # fmt: skip
def test_where_a_server_is_asked_for(
    monkeypatch: pytest.MonkeyPatch, named: str, places: list[str]
) -> None:
    monkeypatch.setattr(dns, "lookup", lambda name, _kind: RECORDS.get(name, []))
    assert [f"{one} {one.name}" for one in delegation.places(named)] == places


@pytest.mark.parametrize("named", [":443", "a.b:x", "a.b:65536", "a.b:²"])
def test_what_names_no_server(named: str) -> None:
    with pytest.raises(outside.Refused, match="names no server"):
        delegation.places(named)


@pytest.mark.parametrize(
    ("document", "named"),
    [
        ({"m.server": "a.b:443"}, "a.b:443"),
        ({"m.server": "[2001:db8::1]"}, "[2001:db8::1]"),
        ({}, None),
        ({"m.server": 7}, None),
        ({"m.server": ""}, None),
        ({"m.server": "a.b\x1b[2J"}, None),
    ],
)
def test_the_document(
    monkeypatch: pytest.MonkeyPatch, document: Mapping[str, object], named: str | None
) -> None:
    asked: list[str] = []

    def follow(url: str) -> Mapping[str, object]:
        asked.append(url)
        return document

    monkeypatch.setattr(outside, "follow", follow)
    if named is None:
        with pytest.raises(outside.Refused, match=r"m\.server"):
            delegation.well_known("example.org")
    else:
        assert delegation.well_known("example.org") == named
    assert asked == ["https://example.org/.well-known/matrix/server"]
