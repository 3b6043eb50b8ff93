"""What DNS says, and what is made of it."""

from collections.abc import Mapping

import pytest

from altpeter_matrix.host import dns as lookups
from altpeter_matrix.settings.model import load_settings
from altpeter_matrix.status import looks
from altpeter_matrix.status.checks import dns
from altpeter_matrix.synapse import outside

from .given import Given

OWN = (["198.51.100.1"], ["2001:db8::1"])
NAT: tuple[list[str], list[str]] = (["192.168.0.7"], [])
KEYS = {"ed25519:a": "key"}
# Hands on to here.
PROXY = "198.51.100.77"


def view(**federation: object) -> Given:
    settings = load_settings({"server_name": "example.org", "federation": federation}, source="x")
    return Given({looks.settings: settings, dns.own_keys: KEYS})


@pytest.fixture(autouse=True)
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody answers but the proxy."""

    def get(place: outside.Place, *_more: object, **_options: object) -> Mapping[str, object]:
        if place.host != PROXY:
            raise outside.Refused("Connection refused")
        return {"verify_keys": {name: {"key": key} for name, key in KEYS.items()}}

    monkeypatch.setattr(outside, "get", get)


@pytest.mark.parametrize(
    ("known", "own", "faults"),
    [
        ({"A": ["198.51.100.1"], "AAAA": ["2001:db8::1"]}, OWN, []),
        ({"A": ["198.51.100.1"]}, OWN, []),
        ({}, OWN, ["dns-name-missing"]),
        ({"A": ["198.51.100.2"]}, OWN, ["dns-leads-elsewhere"]),
        ({"A": [PROXY]}, OWN, []),
        (
            {"A": ["198.51.100.1"], "AAAA": ["2001:db8::2"]},
            OWN,
            ["dns-ipv6-leads-elsewhere"],
        ),
        # A router has the address, and whether it leads here cannot be seen.
        ({"A": ["198.51.100.2"]}, NAT, []),
        ({"A": ["198.51.100.2"], "AAAA": ["2001:db8::2"]}, NAT, ["dns-ipv6-leads-elsewhere"]),
    ],
)
def test_where_names_lead(
    monkeypatch: pytest.MonkeyPatch,
    known: Mapping[str, list[str]],
    own: tuple[list[str], list[str]],
    faults: list[str],
) -> None:
    monkeypatch.setattr(dns, "public_addresses", lambda: own)
    monkeypatch.setattr(lookups, "lookup", lambda _name, kind: known.get(kind, []))
    assert [one.id for one in dns.names(view())] == faults


@pytest.mark.parametrize(
    ("shown", "faults"),
    [
        (["10 5 443 example.org"], []),
        (["10 5 443 Example.org."], []),
        (["10 5 8448 example.org"], ["dns-service-record-missing"]),
        (["10 5 443 other.org"], ["dns-service-record-missing"]),
        ([], ["dns-service-record-missing"]),
    ],
)
def test_service_records(
    monkeypatch: pytest.MonkeyPatch, shown: list[str], faults: list[str]
) -> None:
    monkeypatch.setattr(lookups, "lookup", lambda _name, _kind: shown)
    given = view(delegation="srv", port_8448=False)
    assert [one.id for one in dns.services(given)] == faults
    assert list(dns.services(view())) == []


def test_a_resolver_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    def dead(_name: str, _kind: str) -> list[str]:
        raise lookups.ResolverDead([])

    monkeypatch.setattr(lookups, "lookup", dead)
    assert [one.id for one in dns.resolver(view())] == ["resolver-dead"]
