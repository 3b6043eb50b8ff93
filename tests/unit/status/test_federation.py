"""What others find from the server name on, and what is made of it."""

from collections.abc import Mapping
from typing import Any

import pytest

from altpeter_matrix.host import dns as lookups
from altpeter_matrix.settings.model import load_settings
from altpeter_matrix.status import looks
from altpeter_matrix.status.checks import dns, federation
from altpeter_matrix.synapse import delegation, outside, server_keys
from altpeter_matrix.synapse.outside import Place, Refused

from .given import Given

KEYS = {"ed25519:a": "key"}
HERE = "matrix.example.org:443"


def shown(key: str) -> Mapping[str, Any]:
    return {"verify_keys": {"ed25519:a": {"key": key}}}


# What stands where, for other servers: this one, another one, and one that changes the answers.
SHOWN = {
    HERE: shown("key"),
    "proxy.test:443": shown("key"),
    "other.test:443": shown("another"),
    "cache.test:443": {**shown("key"), "old": True},
    "example.org:8448": shown("key"),
}


@pytest.fixture(autouse=True)
def world(monkeypatch: pytest.MonkeyPatch) -> None:
    def get(place: Place, path: str, *, verified: bool) -> Mapping[str, Any]:
        assert verified, "others judge the certificate"
        if str(place) not in SHOWN:
            raise Refused("Connection refused")
        return SHOWN[str(place)] if path == outside.KEYS else {"server": {}}

    monkeypatch.setattr(outside, "get", get)
    monkeypatch.setattr(
        server_keys, "refusal", lambda answer, _name: "they are old" if "old" in answer else ""
    )
    monkeypatch.setattr(federation, "public_addresses", lambda: (["198.51.100.1"], []))
    monkeypatch.setattr(lookups, "lookup", lambda _name, _kind: [])


def published(monkeypatch: pytest.MonkeyPatch, named: str | None) -> None:
    def well_known(_name: str) -> str:
        if named is None:
            raise Refused("answers 404")
        return named

    monkeypatch.setattr(delegation, "well_known", well_known)


def view(way: str) -> Given:
    written = {"server_name": "example.org", "public_name": "matrix.example.org",
               "federation": {"delegation": way}}  # fmt: skip
    settings = load_settings(written, source="x")
    return Given({looks.settings: settings, dns.own_keys: KEYS})


@pytest.mark.parametrize(
    ("way", "named", "faults"),
    [
        ("well-known", HERE, []),
        ("well-known", "proxy.test:443", []),
        ("well-known", None, ["delegation-not-published"]),
        ("elsewhere", None, ["delegation-not-published"]),
        ("elsewhere", "other.test:443", ["delegation-leads-elsewhere"]),
        ("elsewhere", "nobody.test", ["delegation-leads-elsewhere"]),
        ("elsewhere", "example.org:443", ["delegation-leads-elsewhere"]),
        ("elsewhere", "example.org:none", ["delegation-leads-elsewhere"]),
        ("elsewhere", "example.org:8448", []),
        # Others go by a document, where there is one, and else to port 8448.
        ("srv", None, []),
        ("srv", "other.test:443", ["delegation-leads-elsewhere"]),
    ],
)
def test_where_the_server_name_leads(
    monkeypatch: pytest.MonkeyPatch, way: str, named: str | None, faults: list[str]
) -> None:
    published(monkeypatch, named)
    assert [one.id for one in federation.incoming(view(way))] == faults


@pytest.mark.parametrize(
    ("there", "fault"),
    [
        (None, "federation-not-reachable"),
        ("other.test:443", "federation-key-of-another"),
        ("cache.test:443", "federation-keys-refused"),
    ],
)
def test_what_is_at_the_end(monkeypatch: pytest.MonkeyPatch, there: str | None, fault: str) -> None:
    published(monkeypatch, HERE)
    if there is None:
        monkeypatch.delitem(SHOWN, HERE)
    else:
        monkeypatch.setitem(SHOWN, HERE, SHOWN[there])
    assert [one.id for one in federation.incoming(view("well-known"))] == [fault]


def test_the_next_srv_record_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    published(monkeypatch, None)
    records = ["10 5 443 nobody.test", f"20 5 443 {HERE.partition(':')[0]}"]
    monkeypatch.setattr(lookups, "lookup", lambda _name, _kind: records)
    assert list(federation.incoming(view("srv"))) == []
    del records[1]
    assert [one.id for one in federation.incoming(view("srv"))] == ["federation-not-reachable"]


def test_behind_a_router_nothing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    published(monkeypatch, None)
    monkeypatch.setattr(federation, "public_addresses", lambda: (["192.168.0.7"], []))
    assert list(federation.incoming(view("well-known"))) == []


@pytest.mark.parametrize(
    ("given_up", "reached", "least"),
    [(7, 0, None), (8, 7, "8"), (8, 8, None), (63, 20, "32"), (64, 20, "64"), (0, 0, None)],
)
def test_servers_that_do_not_answer(given_up: int, reached: int, least: str | None) -> None:
    told = [dict(one.values)["least"] for one in federation.judged(given_up, reached)]
    assert told == ([] if least is None else [least])
