"""Values that are not in the right form, each refused with its key and what to write instead."""

import pytest

from .refusals import GOOD, MAIL, refused


@pytest.mark.parametrize(
    ("text", "message"),
    [
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
            GOOD + f"synapse_repository: {{key_fingerprint: {'AB' * 32}}}",
            f'settings.yaml: synapse_repository.key_fingerprint: "{"AB" * 29}A… is of a v6 key, '
            "which gpgv does not know; write 40 digits and letters from A to F, without spaces, "
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
    ],
)
def test_a_wrong_value_is_refused_with_key_and_remedy(text: str, message: str) -> None:
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
