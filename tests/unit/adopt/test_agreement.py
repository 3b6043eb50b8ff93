"""Settings that a deploy brings to a server that was set up by hand have to agree with it."""

from typing import Any

import pytest

from altpeter_matrix.adopt.agreement import disagreements, other_options, with_what_fits
from altpeter_matrix.adopt.first_settings import settings
from altpeter_matrix.adopt.options import Known, divide
from altpeter_matrix.settings.model import load_settings
from tests.unit.adopt.test_options import DATABASE, PACKAGED

CLIENT = {
    "m.homeserver": {"base_url": "https://matrix.example.org"},
    "m.identity_server": {"base_url": "https://vector.im"},
}
KNOWN = Known(
    {"server_name": "matrix.example.org", **PACKAGED, "database": DATABASE},
    PACKAGED,
    frozenset({"example.org", "matrix.example.org"}),
    frozenset({80, 443, 8448}),
    {"client": CLIENT, "server": {"m.server": "matrix.example.org:443"}},
)
AGREEING: dict[str, Any] = {
    "server_name": "matrix.example.org",
    "aliases": ["example.org"],
    "well_known": {"identity_server": "https://vector.im"},
}


def told(**changes: Any) -> str:
    wanted = load_settings({**AGREEING, **changes}, source="settings.yaml")
    return "\n".join(map(str, disagreements(KNOWN, wanted)))


def test_settings_that_agree_are_taken() -> None:
    assert told() == ""


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"server_name": "other.org"}, "write `server_name: matrix.example.org`"),
        ({"aliases": []}, "lacks example.org"),
        ({"listener": {"port": 8009}}, "is not the present one, 8008"),
        ({"federation": {"port_8448": False}}, "other servers use the port now"),
        ({"well_known": {}}, "well_known: {'identity_server': 'https://vector.im'}"),
        ({"report_stats": True}, "the server has false"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_what_contradicts_the_server_is_refused(change: dict[str, Any], words: str) -> None:
    assert words in told(**change)


def test_an_option_that_the_settings_want_otherwise_is_refused_by_its_setting() -> None:
    fitting = {"max_upload_size": "50M", "presence": {"enabled": True}}
    [problem] = other_options(KNOWN, fitting, {**fitting, "max_upload_size": "2G"})
    assert "uploads.max_size: asks for max_upload_size: 2G, and the server has 50M" in str(problem)


def test_a_password_in_a_refused_option_is_not_shown() -> None:
    asked = {"email": {"smtp_host": "mail", "smtp_pass": "hunter2"}}
    [problem] = other_options(KNOWN, {}, asked)
    assert "mail" in str(problem) and "hunter2" not in str(problem)


def test_what_the_settings_do_not_mention_stays_as_the_server_has_it() -> None:
    fitting = settings(KNOWN)
    assert with_what_fits(fitting, AGREEING)["media"] == {"remote_retention": None}
    # Old media would be deleted otherwise: the deploy's settings say nothing about them.
    by_default = {"database": {}, "listeners": [], "media_retention": {"remote": "90d"}}
    division = divide(KNOWN, by_default)
    assert division.carried["media_retention"] == {}
    assert "media_retention" not in {change.key for change in division.changes}
