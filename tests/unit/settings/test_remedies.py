"""Remedies: what an error says to write is accepted at that very place, or is an example that is.

The remedy's text goes into the settings as it stands, as an administrator would type it.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from altpeter_matrix.base.errors import Problem, SettingsError
from altpeter_matrix.settings.checks import CHECKS
from altpeter_matrix.settings.model import parse_settings_text
from altpeter_matrix.settings.schema import schema

# What a setting needs beside it to be valid.
NEEDED = {
    "backup": "to: /srv/backup",
    "email": "smtp_host: smtp.example.org, from: m@example.org",
    "notify.quiet": "hours: 22:00-07:00",
    "notify.webhook": "url: https://ntfy.example.org/ours",
    "well_known.support.contacts.0": "role: m.role.admin, matrix_id: '@a:example.org'",
}
# Remedies that name no value.
WORDS = (
    "write true or false", "write one item per line", "put its keys", "fill it in", "remove ",
    "check ", "known here: ", "add ", "write out", "put it, indented",
)  # fmt: skip


def places(part: Mapping[str, Any], way: tuple[str, ...] = ()) -> Iterator[str]:
    """Every setting that holds one value, by its path; of a list its first item."""
    if "x-read-as" in part:
        return
    for name, inner in part.get("properties", {}).items():
        yield from places(inner, (*way, name))
    if "items" in part:
        yield from places(part["items"], (*way, "0"))
    if way and not {"properties", "items"} & set(part):
        yield ".".join(way)


PLACES = sorted(places(schema()))


def text_with(place: str, written: str) -> str:
    """Settings that are good but for the one value."""
    way = place.split(".")
    value = written
    for depth in range(len(way) - 1, 0, -1):
        step, outer = way[depth], ".".join(way[:depth])
        if step == "0":
            value = f"[{value}]"
            continue
        others = [one for one in NEEDED.get(outer, "").split(", ") if one]
        kept = [one for one in others if one.partition(":")[0] != step]
        value = "{" + ", ".join([*kept, f"{step}: {value}"]) + "}"
    first = f"{way[0]}: {value}\n"
    return first if way[0] == "server_name" else f"server_name: example.com\n{first}"


def refused(place: str, written: str) -> list[Problem]:
    try:
        parse_settings_text(text_with(place, written), source="settings.yaml")
    except SettingsError as error:
        return list(error.problems)
    return []


def told(problem: Problem) -> str | None:
    """The value that a remedy says to write; None when it names none."""
    remedy = problem.remedy
    if remedy.startswith(WORDS):
        return None
    if match := re.search(r"(?:as in|such as) (.+)$", remedy):
        return match[1]
    if match := re.fullmatch(r"did you mean (.+)\?", remedy):
        return match[1]
    if match := re.fullmatch(r"write one of ([^,]+), .*", remedy):
        return match[1]
    match = re.fullmatch(r"write (.+?)(?: or (?:more|less)|, without quotes)?", remedy)
    assert match, f"{problem}: no value can be found in the remedy"
    return match[1]


def assert_remedies_are_accepted(place: str, written: str) -> None:
    for problem in refused(place, written):
        if not problem.where.startswith(f"settings.yaml: {place}"):
            continue  # the text was not one value
        value = told(problem)
        if value is not None:
            again = refused(place, value)
            assert again == [], f"{place}: {written!r}: {problem}"


def test_the_settings_that_the_property_begins_with_are_good() -> None:
    assert len(PLACES) > 30
    for place, good in [("email.app_name", "x"), ("well_known.support.contacts.0.role", "x"),
                        ("server_name", "a.org"), ("firewall.allow.0", "22/tcp")]:  # fmt: skip
        assert refused(place, good) == []


# Near what is right, since almost all texts are far from it.
ALMOST = st.one_of(
    st.sampled_from(
        ["no", "yes", "0123", "010000", "1e3", "1e9", "2T", "0", "0M", "24h", "36h", "3 weeks",
         "3 months", "1.5G", "1.5y", "8008.0", "0x1F90", "8_008", "2:13:20", "2020-01-01", "~",
         "null", ".nan", ".inf", "-1", "1000000000000000000000", "999999999G", "999999y",
         "192.0.2.1", "'[::1]'", "'[::1]:25'", "::1", "localhost:25", "example.org.", "*.org",
         "https://example.org:8448/x", "http://a_b", "https://u:p@h.org/", "ftp://h.org",
         "bücher.example", "straße.de", "'exa\u00a0mple.org'", "' example.org '", "a" * 64 + ".org",
         "a." * 120 + "org", "Müller, Hans <a@example.org>", "'A \"b <a@example.org>'",
         "'%(app)s 100% <a@example.org>'", "Hans <a@bücher.example>", "a@b@c.org", "mailto:a@b.org",
         "'@Admin:Example.org'", "admin@example.org", "Admin", "_x", "-x", "a" * 300, "/a/../b",
         "/a/", "//", "a/b", "/" + "x" * 300, "'3478/udp\\n'", '"3478/udp\\n"', "3478:UDP", "0/tcp",
         "aaf9 ae84 3a75 84b5 a3e4  cd2b cf45 a512 de2d a058", '"a\\nb"', '"a\\0b"', '"\\ud800"',
         '"\\ud83d\\ude00"', '"\\x1f"', "{}", "[]", "[a]", "{a: b}", '""', "' '"]
    ),
    st.text(max_size=12).map(lambda text: yaml.safe_dump(text).removesuffix("...\n").strip()),
    st.from_regex(r"[0-9]{1,4}([.,][0-9]{1,2})?(e[0-9]{1,2})? ?[a-zA-Z]{0,6}", fullmatch=True),
    st.from_regex(
        r"[a-zü]{0,4}[.@: _/<>\"'-][A-Za-z0-9é]{1,4}([.:/][a-z0-9]{1,4}){0,3}", fullmatch=True
    ),
    st.integers().map(str),
    st.floats().map(str),
)  # fmt: skip


# Each text at all places: to think one up takes as long as to try it.
@given(written=ALMOST)
@settings(max_examples=60, deadline=None, derandomize=True)
def test_a_remedy_is_accepted_where_it_is_told(written: str) -> None:
    for place in PLACES:
        assert_remedies_are_accepted(place, written)


@given(text=st.text())
@settings(max_examples=150, deadline=None, derandomize=True)
def test_no_text_makes_a_format_fail_otherwise_than_with_a_remedy(text: str) -> None:
    for name, check in CHECKS.items():
        try:
            check(text)
        except ValueError as error:
            what, separator, remedy = str(error).partition("; ")
            assert what and separator and remedy, f"{name}: {error}"


@pytest.mark.parametrize(
    ("place", "written", "remedy"),
    [
        ("uploads.max_size", "1e9", 'write "1000000000"'),
        ("uploads.max_size", "2T", "write 2048G"),
        ("uploads.max_size", "1.5G", "write 1536M"),
        ("uploads.max_size", "0", "write 50M"),
        ("uploads.max_size", "50", "write 50M"),
        ("uploads.max_size", "52428800", 'write "52428800"'),
        ("uploads.max_size", "999999999G", "write 16384G or less"),
        ("media.remote_retention", "24h", "write 1d"),
        ("media.remote_retention", "36h", "write 90d"),
        ("media.remote_retention", "3 weeks", "write 3w"),
        ("media.remote_retention", "3 months", "write 90d"),
        ("media.remote_retention", "1.5y", "write 90d"),
        ("media.remote_retention", "999999y", "write 1000y or less"),
        ("server_name", "no", "write example.org"),
        ("server_name", "'exa\u00a0mple.org'", "write example.org"),
        ("server_name", "' example.org'", "write example.org"),
        ("server_name", "straße.example", "write xn--strae-oqa.example"),
        ("administrator.username", "no", 'write "no"'),
        ("administrator.username", "0123", "write admin"),
        ("administrator.username", "'@Admin:example.org'", "write admin"),
        ("listener.port", "1e4", "write 10000"),
        ("listener.port", "1e3", "write a whole number from 1024 to 65535, as in 8008"),
        ("listener.port", "8008.0", "write 8008"),
        ("listener.port", "010000", "write 10000"),
        ("listener.port", "8_008", "write 8008"),
        ("listener.port", "2:13:20", "write 8000"),
        ("email.smtp_host", "'[::1]'", 'write "::1"'),
        ("email.smtp_host", "'[::1]:25'", 'write "::1"'),
        (
            "email.from",
            "'Müller, Hans <a@example.org>'",
            "write '\"Müller, Hans\" <a@example.org>'",
        ),
        ("email.username", "0123", 'write "0123"'),
        ("email.username", "2020-01-01", 'write "2020-01-01"'),
        ("firewall.allow.0", '"3478/udp\\n"', "write 3478/udp"),
        (
            "synapse_repository.key_fingerprint",
            "aaf9 ae84 3a75 84b5 a3e4 cd2b cf45 a512 de2d a058",
            "write AAF9AE843A7584B5A3E4CD2BCF45A512DE2DA058",
        ),
        ("email.app_name", '"a\\nb"', "write a b"),
    ],
)
def test_a_remedy_means_what_was_meant(place: str, written: str, remedy: str) -> None:
    (problem,) = refused(place, written)
    assert (problem.where, problem.remedy) == (f"settings.yaml: {place}", remedy)


def test_what_does_not_show_is_shown_by_its_number() -> None:
    (problem,) = refused("server_name", "'exa\u00a0mple.org'")
    assert '"exa\\u00a0mple.org"' in problem.what
