"""Synapse's options: what the settings make of them."""

from email import message_from_bytes, policy
from email.mime.multipart import MIMEMultipart
from ipaddress import ip_address, ip_network
from typing import Any

import pytest

from altpeter_matrix.render.synapse_config import NOT_PUBLIC, log_config, merged, options

from ..samples import DELEGATED, WIKI, facts, settings

MAIL = DELEGATED + "email: {smtp_host: smtp.example.org, from: m@example.org, "


def made(text: str = DELEGATED, password: str | None = None, **changes: Any) -> dict[str, Any]:
    return options(settings(text), facts(**changes), password)


def test_synapse_listens_on_loopback_only() -> None:
    for listener in made()["listeners"]:
        assert listener["bind_addresses"] == ["127.0.0.1"]


def test_metrics_have_a_listener_of_their_own_that_nginx_does_not_know() -> None:
    public, metrics = made()["listeners"]
    assert public["resources"] == [{"names": ["client", "federation"], "compress": False}]
    assert (metrics["type"], metrics["port"]) == ("metrics", 9000)
    assert public["port"] != metrics["port"]


def test_metrics_can_be_switched_off() -> None:
    off = made(DELEGATED + "metrics: {enabled: false}")
    assert off["enable_metrics"] is False
    assert [listener["type"] for listener in off["listeners"]] == ["http"]


def test_the_client_address_comes_from_nginx() -> None:
    assert made()["listeners"][0]["x_forwarded"] is True


def test_the_database_needs_no_password() -> None:
    args = made()["database"]["args"]
    assert args["host"] == "/var/run/postgresql"
    assert args["user"] == "matrix-synapse"
    assert "password" not in args


@pytest.mark.parametrize(("processors", "connections"), [(1, 10), (2, 10), (4, 20), (64, 40)])
def test_the_connection_pool_grows_with_the_host(processors: int, connections: int) -> None:
    assert made(processors=processors)["database"]["args"]["cp_max"] == connections


def test_the_connection_pool_can_be_set() -> None:
    args = made(DELEGATED + "database: {max_connections: 7}", processors=64)["database"]["args"]
    assert args["cp_max"] == 7


def test_no_secret_stands_in_the_options() -> None:
    """Each has a file of its own, named by its _path option."""
    found = made()
    assert not {"macaroon_secret_key", "form_secret", "registration_shared_secret"} & set(found)
    for name in ("macaroon_secret_key", "form_secret", "registration_shared_secret"):
        assert found[f"{name}_path"] == f"/etc/altpeter-matrix/secrets/{name}"


def test_what_synapses_package_owns_is_not_set_here() -> None:
    owned = {"server_name", "report_stats", "signing_key_path", "pid_file", "media_store_path"}
    assert not owned & set(made(WIKI))


def test_key_servers_are_trusted_without_a_warning_at_each_start() -> None:
    found = made()
    assert found["trusted_key_servers"] == [{"server_name": "matrix.org"}]
    assert found["suppress_key_server_warning"] is True


def test_uploads_previews_and_presence_follow_the_settings() -> None:
    found = made()
    assert (found["url_preview_enabled"], found["presence"]) == (True, {"enabled": True})
    text = "uploads: {max_size: 7M}\nurl_previews: false\npresence: false\n"
    other = made(DELEGATED + text)
    assert other["max_upload_size"] == 7 * 1024**2
    assert (other["url_preview_enabled"], other["presence"]) == (False, {"enabled": False})


def test_registration_is_closed() -> None:
    assert made()["enable_registration"] is False


def test_clients_are_told_the_public_name() -> None:
    assert made()["public_baseurl"] == "https://matrix.example.org/"


# 127.0.0.1 or 10.0.0.1 in every form in which IPv6 carries IPv4.
CARRIERS = [
    "::127.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:0:127.0.0.1",
    "64:ff9b::127.0.0.1",
    "64:ff9b::10.0.0.1",
    "64:ff9b:1::127.0.0.1",
    "64:ff9b:1:7f00:0:100::",
    "2002:7f00:1::1",
    "2001:0:7f00:1::1",
    "fe80::5efe:127.0.0.1",
]


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.1.2.3", "172.31.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1",
        "0.0.0.0", "224.0.0.1", "255.255.255.255", "::1", "::", "fe80::1", "fd00::1", "ff02::1",
        *CARRIERS,
        "192.0.0.8", "198.18.0.1", "240.0.0.1", "100::1", "2001:db8::1", "3fff::1", "fec0::1",
        "5f00::1", "4000::1",
    ],
)  # fmt: skip
def test_link_previews_never_fetch_from(address: str) -> None:
    blocked = [ip_network(network) for network in made()["url_preview_ip_range_blacklist"]]
    assert any(ip_address(address) in network for network in blocked)


PUBLIC = ["1.1.1.1", "172.32.0.1", "2606:4700::1111", "2001:200::1", "2a00::1", "2c0f::1"]


@pytest.mark.parametrize("address", PUBLIC)
def test_link_previews_fetch_from(address: str) -> None:
    assert not any(ip_address(address) in ip_network(network) for network in NOT_PUBLIC)


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "10.1.2.3", "0.0.0.1", "::1", "::", "fe80::1", "fd00::1", "ff02::1", "fec0::1"]
    # 6to4 of a private address Synapse adds by itself (synapse.config.server.generate_ip_set).
    + [address for address in CARRIERS if not address.startswith("2002:")],
)
def test_other_servers_and_push_gateways_are_never_at(address: str) -> None:
    blocked = [ip_network(network) for network in made()["ip_range_blacklist"]]
    assert any(ip_address(address) in network for network in blocked)


@pytest.mark.parametrize("address", [*PUBLIC, "64:ff9b::101:101"])
def test_other_servers_may_be_at(address: str) -> None:
    """By NAT64, too: an IPv6-only host reaches a server with IPv4 through it."""
    blocked = [ip_network(network) for network in made()["ip_range_blacklist"]]
    assert not any(ip_address(address) in network for network in blocked)


def test_media_of_this_servers_own_users_are_kept_for_ever_by_default() -> None:
    assert made()["media_retention"] == {"remote_media_lifetime": "90d"}


def test_media_can_be_kept_for_ever_altogether() -> None:
    assert made(DELEGATED + "media: {remote_retention: null}")["media_retention"] == {}


def test_without_mail_settings_there_is_no_email_option() -> None:
    """An empty one would make Synapse demand notif_from and not start."""
    assert "email" not in made()


def test_the_wiki_pages_mail_settings_lack_nothing_that_synapse_demands() -> None:
    email = made(WIKI, password="pw")["email"]
    assert email == {
        "smtp_host": "smtp.eu.mailgun.org",
        "smtp_port": 587,
        "require_transport_security": True,
        "smtp_user": "synapse@mail.altpeter.me",
        "smtp_pass": "pw",
        "notif_from": "Synapse on matrix.altpeter.me <noreply@mail.altpeter.me>",
        "app_name": "Matrix",
        "enable_notifs": True,
    }


@pytest.mark.parametrize(
    ("sender", "app_name", "name"),
    [
        ("Matrix <m@example.org>", "Matrix", "Matrix"),
        ("Synapse on a.org <m@example.org>", "Matrix", "Synapse on a.org"),
        ("%(app)s <m@example.org>", "Chat", "Chat"),
        ("Müller <m@example.org>", "Matrix", "Müller"),
        ('"Müller, Hans" <m@example.org>', "Matrix", "Müller, Hans"),
        ('"Meyer, Hans" <m@example.org>', "Matrix", "Meyer, Hans"),
        ("%(app)s <m@example.org>", "Bücher 100%", "Bücher 100%"),
        ("Hans (%(app)s) <m@example.org>", "Bücher", "Hans (Bücher)"),
        ("%(app)s <m@example.org>", "Chat, Inc. 100%", "Chat, Inc. 100%"),
        ("m@example.org", "Bücher", ""),
    ],
)
def test_a_mail_shows_its_sender_whatever_letters_the_name_has(
    sender: str, app_name: str, name: str
) -> None:
    """The header as Synapse makes it (synapse.handlers.send_email)."""
    quoted = sender.replace("'", "''")
    text = f"email: {{smtp_host: h.org, from: '{quoted}', app_name: '{app_name}'}}"
    mail = MIMEMultipart("alternative")
    mail["From"] = made(DELEGATED + text)["email"]["notif_from"] % {"app": app_name}
    header = message_from_bytes(mail.as_bytes(), policy=policy.default)["From"]
    (address,) = header.addresses
    assert (address.display_name, address.addr_spec) == (name, "m@example.org")


@pytest.mark.parametrize("security", ["starttls", "tls", "none"])
def test_no_kind_of_encryption_contradicts_itself(security: str) -> None:
    """synapse.config.emailconfig refuses either of these with enable_tls: false."""
    email = made(MAIL + f"security: {security}}}")["email"]
    demands = email.get("force_tls", False) or email.get("require_transport_security", False)
    assert demands == (security != "none")
    assert email.get("enable_tls", True) == (security != "none")


def test_a_mail_server_without_an_account_gets_no_password() -> None:
    assert "smtp_pass" not in made(MAIL + "security: none}", password="pw")["email"]


def test_a_later_addition_replaces_a_whole_option_as_in_synapse() -> None:
    assert merged({"a": {"x": 1, "y": 2}, "b": 1}, {"a": {"x": 3}}, {"c": 1}) == {
        "a": {"x": 3},
        "b": 1,
        "c": 1,
    }


def test_the_log_goes_to_the_journal_at_the_chosen_level() -> None:
    log = log_config(settings(DELEGATED + "log_level: DEBUG"))
    assert log["root"] == {"level": "DEBUG", "handlers": ["journal"]}
    assert log["handlers"]["journal"]["stream"] == "ext://sys.stdout"
    # Each SQL statement with its values: access tokens among them.
    assert log["loggers"]["synapse.storage.SQL"] == {"level": "INFO"}
    # Requests with their query.
    for logger in ("synapse.access", "synapse.http.server", "synapse.http.client"):
        assert log["loggers"][logger] == {"level": "WARNING"}
