"""Bad settings: each is refused with its key and what to write instead, word for word."""

import pytest

from altpeter_matrix.base.errors import SettingsError

from ..samples import settings

GOOD = "server_name: example.org\n"
MAIL = GOOD + "email: {smtp_host: smtp.example.org, from: m@example.org, "


def refused(text: str) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        settings(text)
    return [str(problem) for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        # Keys.
        ("", "settings.yaml: server_name: is missing; add `server_name: example.org`"),
        (
            GOOD + "uploads: {max_sise: 50M}",
            "settings.yaml: uploads.max_sise: is not a known setting; did you mean max_size?",
        ),
        (
            GOOD + "public-name: matrix.example.org",
            "settings.yaml: public-name: is not a known setting; did you mean public_name?",
        ),
        (
            GOOD + "metrics: {grafana: true}",
            "settings.yaml: metrics.grafana: is not a known setting; known here: enabled, port",
        ),
        (
            GOOD + "8008: x",
            "settings.yaml: 8008: is not a known key; remove it",
        ),
        (
            GOOD + "email: {smtp_host: localhost}",
            "settings.yaml: email.from: is missing; add `from: Matrix <noreply@example.org>`",
        ),
        (
            GOOD + "enable_registration: true",
            "settings.yaml: enable_registration: is an option of Synapse; "
            "put it, indented, below `synapse:`",
        ),
        # YAML.
        (
            GOOD + "aliases: []\nserver_name: example.com",
            "settings.yaml: line 3: the key server_name is there twice (first in line 1); "
            "remove one of them",
        ),
        (
            GOOD + "uploads: {max_size: 1M, max_size: 2M}",
            "settings.yaml: line 2: the key max_size is there twice (first in line 2); "
            "remove one of them",
        ),
        (
            "server_name: example.org: 8448",
            "settings.yaml: line 1: is not YAML (mapping values are not allowed here); "
            "check the indentation, colons and quotes around this line",
        ),
        (
            "- example.org",
            "settings.yaml: does not hold `key: value` lines; write `server_name: example.org`",
        ),
        (
            "server_name: !!python/object/apply:os.getcwd []",
            "settings.yaml: line 1: is not YAML (could not determine a constructor for the tag "
            "'tag:yaml.org,2002:python/object/apply:os.getcwd'); "
            "check the indentation, colons and quotes around this line",
        ),
        # Types.
        (
            "server_name: 12",
            "settings.yaml: server_name: 12 is not a text; write example.org",
        ),
        (
            GOOD + "aliases: chat.example.org",
            'settings.yaml: aliases: "chat.example.org" is not a list; '
            "write one item per line, each after `- `",
        ),
        (
            GOOD + "presence: 'yes'",
            'settings.yaml: presence: "yes" is not true or false; '
            "write true or false, without quotes",
        ),
        (
            GOOD + "federation:",
            "settings.yaml: federation: is empty; fill it in or remove the key",
        ),
        (
            GOOD + "email: admin@example.org",
            'settings.yaml: email: "admin@example.org" is not a group of keys or null; '
            "put its keys, indented, in the lines below",
        ),
        (
            GOOD + "uploads: {max_size: 50}",
            "settings.yaml: uploads.max_size: 50 is not a text; write 50M",
        ),
        (
            GOOD + "media: {remote_retention: 90}",
            "settings.yaml: media.remote_retention: 90 is not a text or null; write 90d",
        ),
        (
            GOOD + "listener: {port: '8008'}",
            'settings.yaml: listener.port: "8008" is not a whole number; '
            "write 8008, without quotes",
        ),
        # Values.
        (
            GOOD + "uploads: {max_size: 50 megs}",
            'settings.yaml: uploads.max_size: "50 megs" is not a size; write 50M',
        ),
        (
            GOOD + "uploads: {max_size: 0M}",
            'settings.yaml: uploads.max_size: "0M" is not a size; write 50M',
        ),
        (
            GOOD + "media: {remote_retention: 3 weeks}",
            'settings.yaml: media.remote_retention: "3 weeks" is not a duration; write 3w',
        ),
        (
            GOOD + "log_level: warn",
            'settings.yaml: log_level: "warn" is not one of DEBUG, INFO, WARNING, ERROR; '
            "did you mean WARNING?",
        ),
        (
            GOOD + "federation: {delegation: dns}",
            'settings.yaml: federation.delegation: "dns" is not one of well-known, elsewhere, '
            "srv; write one of well-known, elsewhere, srv",
        ),
        (
            GOOD + "metrics: {port: 80}",
            "settings.yaml: metrics.port: 80 is too small; write 1024 or more",
        ),
        (
            GOOD + "listener: {port: 80080}",
            "settings.yaml: listener.port: 80080 is too large; write 65535 or less",
        ),
        (
            GOOD + "database: {name: postgres}",
            'settings.yaml: database.name: "postgres" is PostgreSQL\'s own database; '
            "write another name, as in synapse",
        ),
        (
            GOOD + "database: {name: 'synapse; drop'}",
            'settings.yaml: database.name: "synapse; drop" is not a database name; '
            "write lower-case letters, digits and _, as in synapse",
        ),
        (
            GOOD + "administrator: {username: Admin}",
            'settings.yaml: administrator.username: "Admin" is not a user name; write admin',
        ),
        (
            GOOD + "administrator: {username: Bugs Bunny}",
            'settings.yaml: administrator.username: "Bugs Bunny" is not a user name; '
            "write lower-case letters, digits and . _ = - / +, as in admin",
        ),
        (
            GOOD + "firewall: {allow: [99999/tcp]}",
            "settings.yaml: firewall.allow: 99999/tcp is not a port; write a number up to 65535, "
            "as in 3478/udp",
        ),
        (
            GOOD + "firewall: {allow: [ssh]}",
            'settings.yaml: firewall.allow.0: "ssh" is not in the right form; '
            "write PORT/tcp or PORT/udp, as in 3478/udp",
        ),
        (
            GOOD + "synapse_repository: {key_fingerprint: abc}",
            'settings.yaml: synapse_repository.key_fingerprint: "abc" is not in the right form; '
            "write 40 digits and letters from A to F, without spaces, "
            "as in AAF9AE843A7584B5A3E4CD2BCF45A512DE2DA058",
        ),
        (
            GOOD + "aliases: [a.org, a.org]",
            "settings.yaml: aliases: names something twice; remove one of them",
        ),
        (
            GOOD + "email: {smtp_host: localhost, from: m@example.org, app_name: ''}",
            "settings.yaml: email.app_name: is empty; fill it in or remove the key",
        ),
        (
            MAIL + "from: Matrix}",
            "settings.yaml: line 2: the key from is there twice (first in line 2); "
            "remove one of them",
        ),
        (
            GOOD + "email: {smtp_host: localhost, from: Matrix}",
            'settings.yaml: email.from: "Matrix" is not a sender; '
            "write Matrix <noreply@example.org>",
        ),
        (
            GOOD + "email: {smtp_host: localhost, from: '100% <m@example.org>'}",
            'settings.yaml: email.from: "100% <m@example.org>" has a % that Synapse would take '
            "for a placeholder; write Matrix <noreply@example.org>",
        ),
        (
            GOOD + "email: {smtp_host: 'localhost:25', from: m@example.org}",
            'settings.yaml: email.smtp_host: "localhost:25" is not a host; write localhost',
        ),
        (
            MAIL + "password_file: secret.txt}",
            'settings.yaml: email.password_file: "secret.txt" is not a full path; '
            "write it from / on, without a slash at its end, as in /var/lib/matrix",
        ),
        (
            GOOD + "well_known: {identity_server: vector.im}",
            'settings.yaml: well_known.identity_server: "vector.im" is not an address with https; '
            "write https://vector.im",
        ),
        (
            GOOD + "well_known: {support: {contacts: [{role: m.role.admin}]}}",
            "settings.yaml: well_known.support.contacts.0: has no matrix_id or email_address; "
            "add matrix_id or email_address",
        ),
        (
            GOOD + "well_known: {support: {contacts: [{role: r, matrix_id: admin}]}}",
            'settings.yaml: well_known.support.contacts.0.matrix_id: "admin" is not a Matrix '
            'user ID; write "@admin:example.org"',
        ),
        # Contradictions.
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
        # Limits of the programs below.
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
        # Synapse's options.
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
def test_refused_with_key_and_remedy(text: str, message: str) -> None:
    assert message in refused(text)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("192.0.2.1", "is an IP address; write a host name such as matrix.example.org"),
        ("'[2001:db8::1]'", "is an IP address; write a host name such as matrix.example.org"),
        ("'2001:db8::1'", "is an IP address; write a host name such as matrix.example.org"),
        ("example.org.", "ends in a dot; write example.org"),
        ("'example.org:8448'", "has a port; write example.org"),
        ("https://example.org/", "is an address, not a host name; write example.org"),
        ("localhost", "has no domain; write the full name, as in matrix.example.org"),
        ("'*.example.org'", "is a wildcard; list each host name"),
        (
            "bücher.example",
            "has letters beyond ASCII; write xn--bcher-kva.example",
        ),
        (
            "my_host.example.org",
            "is not a host name; write letters, digits, hyphens and dots, as in matrix.example.org",
        ),
        (
            "-a.example.org",
            "is not a host name; write letters, digits, hyphens and dots, as in matrix.example.org",
        ),
        (
            f"{'a' * 64}.org",
            "has 64 characters between two dots, of which DNS allows 63; "
            "write letters, digits, hyphens and dots, as in matrix.example.org",
        ),
        (
            "'matrix.org; include /etc/passwd'",
            "is an address, not a host name; write example.org",
        ),
    ],
)
def test_what_is_no_host_name_is_no_server_name(name: str, message: str) -> None:
    (problem,) = refused(f"server_name: {name}")
    assert problem.startswith("settings.yaml: server_name: ")
    assert message in problem


def test_as_many_names_as_fit_into_a_certificate_are_taken() -> None:
    names = [f"a{number}.example.org" for number in range(99)]
    assert len(settings(f"{GOOD}aliases: {names}").certificate_names) == 100
    own = f"{GOOD}aliases: {[*names, 'b.org']}\ncertificates: {{acme: false}}"
    assert len(settings(own).certificate_names) == 101


def test_the_longest_user_id_is_taken() -> None:
    found = settings(f"{GOOD}administrator: {{username: {'a' * 242}}}").administrator
    assert found is not None
    assert len(f"@{found.username}:example.org") == 255


def test_every_problem_is_reported_at_once() -> None:
    problems = refused("server_nam: a\nuploads: {max_size: big}\naliases: 3\nlog_level: LOUD")
    assert len(problems) == 5


def test_a_long_wrong_value_is_cut_in_the_message() -> None:
    (problem,) = refused(GOOD + "aliases: {a: " + "x" * 500 + "}")
    assert len(problem) < 200


def test_paths_to_secrets_are_welcome() -> None:
    found = settings(GOOD + "synapse: {turn_shared_secret_path: /etc/turn, turn_uris: [a]}")
    assert found.synapse["turn_uris"] == ["a"]
