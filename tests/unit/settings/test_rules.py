"""Settings that contradict each other, go beyond a limit of a program below, or are another's."""

import pytest

from ..samples import settings
from .refusals import GOOD, MAIL, refused


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            GOOD + "aliases: [example.org]",
            "settings.yaml: aliases: example.org is the public name already; "
            "remove it from aliases",
        ),
        (
            GOOD + "aliases: [a.org, A.org]",
            "settings.yaml: aliases: names a host twice; remove one of them",
        ),
        (
            GOOD + "federation: {delegation: elsewhere}",
            "settings.yaml: federation.delegation: elsewhere, yet example.org is this host's own "
            "name; set public_name to this host's name, or delegation: well-known",
        ),
        (
            GOOD + "public_name: m.example.org\naliases: [example.org]\n"
            "federation: {delegation: elsewhere}",
            "settings.yaml: aliases: example.org is answered by another web server "
            "(federation.delegation: elsewhere); remove it from aliases, or set "
            "federation.delegation: well-known",
        ),
        (
            GOOD + "listener: {port: 9000}",
            "settings.yaml: metrics.port: 9000 is listener.port too; "
            "write another port, as in 9000",
        ),
        (
            GOOD + "listener: {port: 8448}",
            "settings.yaml: listener.port: 8448 is nginx (federation)'s port; write another port",
        ),
        (
            GOOD + "metrics: {port: 5432}",
            "settings.yaml: metrics.port: 5432 is PostgreSQL's port; write another port",
        ),
        (
            MAIL + "security: none, username: m}",
            "settings.yaml: email.security: none would send the password of email.username "
            "unencrypted; set security: starttls or tls, or remove username",
        ),
        (
            MAIL + "smtp_port: 465}",
            "settings.yaml: email.security: starttls does not work on port 465, where TLS begins "
            "at once; set security: tls, or smtp_port: 587",
        ),
        (
            GOOD + "well_known: {client: {m.homeserver: {}}}",
            "settings.yaml: well_known.client.m.homeserver: is set by this package; "
            "remove it; its base URL follows public_name",
        ),
        (
            GOOD + "well_known: {support: {}}",
            "settings.yaml: well_known.support: has neither contacts nor support_page; "
            "add one of them, or remove support",
        ),
    ],
)
def test_a_contradiction_is_refused_with_key_and_remedy(text: str, message: str) -> None:
    assert message in refused(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            f"{GOOD}public_name: m.example.org\naliases: "
            f"{[f'a{number}.example.org' for number in range(99)]}",
            "settings.yaml: aliases: makes 101 names of this server, of which a certificate of "
            "Let's Encrypt covers 100; remove 1 of them",
        ),
        (
            f"{GOOD}administrator: {{username: {'a' * 243}}}",
            "settings.yaml: administrator.username: has 243 characters; a user ID has at most "
            "255, which leaves 242 with this server name; write a shorter one, as in admin",
        ),
        (
            f"{GOOD}administrator: {{username: {'a' * 300}}}",
            f'settings.yaml: administrator.username: "{"a" * 59}… has 300 characters, of which a '
            "user ID allows 255 with its server name; write a shorter one, as in admin",
        ),
        (
            f"server_name: {'a.' * 116}org",
            f'settings.yaml: server_name: "{"a." * 29}a… has 235 characters, of which Matrix '
            "allows a server 230; write letters, digits, hyphens and dots, as in "
            "matrix.example.org",
        ),
        (
            f"server_name: {'a.' * 112}org",
            "settings.yaml: server_name: has 227 characters; a user ID has at most 255 with it, "
            "of which this package's own account needs 29; write a shorter one, as in example.org",
        ),
        (
            f"{GOOD}updates: {{backup: /{'a' * 256}}}",
            f'settings.yaml: updates.backup: "/{"a" * 58}… has a name in it that is longer than '
            "255 bytes; write it from / on, without a slash at its end, as in /var/lib/matrix",
        ),
    ],
)
def test_what_is_beyond_a_limit_is_refused_with_key_and_remedy(text: str, message: str) -> None:
    assert message in refused(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            GOOD + "synapse: {server_name: other.org}",
            "settings.yaml: synapse.server_name: is not set here; "
            "set server_name at the top of the settings",
        ),
        (
            GOOD + "synapse: {report_stats: true}",
            "settings.yaml: synapse.report_stats: is not set here; "
            "set report_stats at the top of the settings",
        ),
        (
            GOOD + "synapse: {signing_key_path: /root/key}",
            "settings.yaml: synapse.signing_key_path: is not set here; "
            "leave the key in the file that Synapse's package names",
        ),
        (
            GOOD + "synapse: {macaroon_secret_key: abc}",
            "settings.yaml: synapse.macaroon_secret_key: is not set here; "
            "put it into /etc/altpeter-matrix/secrets/macaroon_secret_key",
        ),
        (
            GOOD + "synapse: {turn_shared_secret: abc}",
            "settings.yaml: synapse.turn_shared_secret: is a secret, and every user of the host "
            "can read this file; put it into a file in /etc/altpeter-matrix/synapse.d, "
            "or use its _path option",
        ),
        (
            GOOD + "synapse: {database: {args: {password: abc}}}",
            "settings.yaml: synapse.database.args.password: is a secret, and every user of the "
            "host can read this file; put it into a file in /etc/altpeter-matrix/synapse.d, "
            "or use its _path option",
        ),
        (
            GOOD + "synapse: {oidc_providers: [{client_secret: abc}]}",
            "settings.yaml: synapse.oidc_providers.client_secret: is a secret, and every user of "
            "the host can read this file; put it into a file in /etc/altpeter-matrix/synapse.d, "
            "or use its _path option",
        ),
    ],
)
def test_an_option_of_synapse_is_refused_with_key_and_remedy(text: str, message: str) -> None:
    assert message in refused(text)


def test_as_many_names_as_fit_into_a_certificate_are_taken() -> None:
    names = [f"a{number}.example.org" for number in range(99)]
    assert len(settings(f"{GOOD}aliases: {names}").certificate_names) == 100
    own = f"{GOOD}aliases: {[*names, 'b.org']}\ncertificates: {{acme: false}}"
    assert len(settings(own).certificate_names) == 101


def test_the_longest_user_id_is_taken() -> None:
    found = settings(f"{GOOD}administrator: {{username: {'a' * 242}}}").administrator
    assert found is not None
    assert len(f"@{found.username}:example.org") == 255


def test_paths_to_secrets_are_welcome() -> None:
    found = settings(GOOD + "synapse: {turn_shared_secret_path: /etc/turn, turn_uris: [a]}")
    assert found.synapse["turn_uris"] == ["a"]


@pytest.mark.parametrize(
    ("notify", "message"),
    [
        (
            "{mail: [a@b.org, A@b.org]}",
            "settings.yaml: notify.mail: names an address twice; remove one of them",
        ),
        (
            "{webhook: {url: 'https://a.org/x?token=abc'}}",
            "settings.yaml: notify.webhook.url: has a secret in it (token), and every user of the "
            "host can read this file; put it into a file that notify.webhook.token_file names",
        ),
        (
            "{webhook: {url: 'https://a.org/x?auth=abc'}}",
            "settings.yaml: notify.webhook.url: has a secret in it (auth), and every user of the "
            "host can read this file; put it into a file that notify.webhook.token_file names",
        ),
        (
            "{quiet: {hours: 22:00-22:00}}",
            'settings.yaml: notify.quiet.hours: "22:00-22:00" begins and ends at the same time; '
            "write other hours, as in 22:00-07:00",
        ),
        (
            "{quiet: {hours: 10pm to 7am}}",
            'settings.yaml: notify.quiet.hours: "10pm to 7am" is not hours of a day; '
            "write 22:00-07:00",
        ),
        (
            "{quiet: {}}",
            "settings.yaml: notify.quiet.hours: is missing; add `hours: 22:00-07:00`",
        ),
        (
            "{webhook: {url: 'http://a.org/x'}}",
            'settings.yaml: notify.webhook.url: "http://a.org/x" is not an address with https; '
            "write https://a.org/x",
        ),
        (
            "{webhook: {url: 'https://me:secret@a.org/x'}}",
            'settings.yaml: notify.webhook.url: "https://me:secret@a.org/x" holds a user name; '
            "write https://a.org/x",
        ),
        (
            "{mail: root}",
            'settings.yaml: notify.mail: "root" is not a list or null; write one item per line, ',
        ),
        ("{repeat: often}", 'settings.yaml: notify.repeat: "often" is not a duration; '),
        ("{matrix_room: x}", "settings.yaml: notify.matrix_room: is not a known setting; "),
    ],
)
def test_ways_to_tell_people_that_cannot_work_are_refused(notify: str, message: str) -> None:
    (said,) = refused(f"{GOOD}notify: {notify}\n")
    assert said.startswith(message)
