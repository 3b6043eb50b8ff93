"""The well-known documents: what other servers and clients read to find this one."""

from altpeter_matrix.settings.well_known import documents

from ..samples import DELEGATED, WIKI, settings


def test_the_wiki_pages_documents() -> None:
    found = documents(settings(WIKI))
    assert found == {
        "client": {
            "m.homeserver": {"base_url": "https://matrix.altpeter.me"},
            "m.identity_server": {"base_url": "https://vector.im"},
        },
        "server": {"m.server": "matrix.altpeter.me:443"},
    }


def test_delegation_points_to_the_public_name() -> None:
    found = documents(settings(DELEGATED))
    assert found["server"] == {"m.server": "matrix.example.org:443"}
    assert found["client"] == {"m.homeserver": {"base_url": "https://matrix.example.org"}}


def test_srv_delegation_has_no_server_document_that_would_win_over_the_record() -> None:
    assert set(documents(settings(DELEGATED + "federation: {delegation: srv}"))) == {"client"}


def test_further_client_keys_and_support_contacts_are_published() -> None:
    found = documents(
        settings(
            DELEGATED + "well_known:\n"
            "  client: {org.example.tiles: {map_style_url: 'https://tiles.example.org'}}\n"
            "  support:\n"
            "    contacts: [{role: m.role.admin, email_address: admin@example.org}]\n"
            "    support_page: https://example.org/help\n"
        )
    )
    assert found["client"]["org.example.tiles"] == {"map_style_url": "https://tiles.example.org"}
    assert found["support"] == {
        "contacts": [{"role": "m.role.admin", "email_address": "admin@example.org"}],
        "support_page": "https://example.org/help",
    }
