"""Wrong keys, YAML and types: each is refused with its key and what to write instead."""

import pytest

from .refusals import GOOD, refused


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
    ],
)
def test_a_wrong_form_is_refused_with_key_and_remedy(text: str, message: str) -> None:
    assert message in refused(text)


def test_every_problem_is_reported_at_once() -> None:
    problems = refused("server_nam: a\nuploads: {max_size: big}\naliases: 3\nlog_level: LOUD")
    assert len(problems) == 5


def test_a_long_wrong_value_is_cut_in_the_message() -> None:
    (problem,) = refused(GOOD + "aliases: {a: " + "x" * 500 + "}")
    assert len(problem) < 200
