"""DNS records and documents that others publish for this server."""

import json

from altpeter_matrix.settings.records import dns_records, documents_elsewhere

from ..samples import DELEGATED, WIKI, settings

V4, V6 = ["192.0.2.7"], ["2001:db8::7"]


def lines(text: str) -> list[str]:
    return [str(record) for record in dns_records(settings(text), ipv4=V4, ipv6=V6)]


def test_every_name_of_the_certificate_needs_both_kinds_of_address() -> None:
    assert lines(WIKI) == [
        "matrix.altpeter.me. 3600 IN A 192.0.2.7",
        "matrix.altpeter.me. 3600 IN AAAA 2001:db8::7",
        "altpeter.me. 3600 IN A 192.0.2.7",
        "altpeter.me. 3600 IN AAAA 2001:db8::7",
    ]


def test_a_host_without_ipv6_needs_no_aaaa() -> None:
    records = dns_records(settings(), ipv4=V4, ipv6=[])
    assert {record.type for record in records} == {"A"}


def test_srv_delegation_needs_the_records_of_both_generations() -> None:
    assert lines(DELEGATED + "federation: {delegation: srv}")[-2:] == [
        "_matrix-fed._tcp.example.org. 3600 IN SRV 10 5 8448 matrix.example.org.",
        "_matrix._tcp.example.org. 3600 IN SRV 10 5 8448 matrix.example.org.",
    ]


def test_srv_records_follow_a_closed_federation_port() -> None:
    text = "server_name: example.org\nfederation: {delegation: srv, port_8448: false}"
    assert lines(text)[-1].endswith("SRV 10 5 443 example.org.")


def test_a_server_on_its_own_name_and_8448_needs_no_srv() -> None:
    text = "server_name: example.org\nfederation: {delegation: srv}"
    assert not [line for line in lines(text) if "SRV" in line]


def test_a_server_name_answered_elsewhere_needs_documents_there_and_no_address_here() -> None:
    text = DELEGATED + "federation: {delegation: elsewhere}"
    assert not [line for line in lines(text) if line.startswith("example.org.")]
    documents = {one.url: json.loads(one.body) for one in documents_elsewhere(settings(text))}
    assert documents == {
        "https://example.org/.well-known/matrix/client": {
            "m.homeserver": {"base_url": "https://matrix.example.org"}
        },
        "https://example.org/.well-known/matrix/server": {"m.server": "matrix.example.org:443"},
    }


def test_nothing_is_to_be_published_elsewhere_when_this_host_answers() -> None:
    assert documents_elsewhere(settings(DELEGATED)) == ()
