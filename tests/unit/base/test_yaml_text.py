"""YAML in every open part: read, or refused with file, place and what to write."""

import json
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from altpeter_matrix.base.errors import SettingsError
from altpeter_matrix.base.plain_data import MOST
from altpeter_matrix.base.yaml_text import load_as_synapse, parse_mapping
from altpeter_matrix.render.generation import (
    LocalAdditions,
    RenderSecrets,
    parsed_additions,
    render,
)
from altpeter_matrix.settings.model import load_settings, parse_settings_text

from ..samples import facts

GOOD = "server_name: example.org\n"
CLIENT = GOOD + "well_known: {{client: {}}}"
PLAIN = parse_settings_text(GOOD, source="settings.yaml")
LAUGHS = "&a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 10)}]\n"
    for before, name in zip("abcdef", "bcdefg", strict=True)
)
MERGED_LAUGHS = "&a {x: 1}\n" + "".join(
    f"{name}: &{name} {{<<: [{', '.join([f'*{before}'] * 10)}]}}\n"
    for before, name in zip("abcdef", "bcdefg", strict=True)
)


def refused(text: str) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        parse_settings_text(text, source="settings.yaml")
    return [str(problem) for problem in caught.value.problems]


def rendered(text: str, synapse_d: Mapping[str, str] | None = None) -> dict[str, bytes]:
    found = PLAIN if text == GOOD else parse_settings_text(text, source="settings.yaml")
    additions = LocalAdditions(synapse=synapse_d or {})
    files = render(found, facts(), additions, RenderSecrets())
    return {str(file.path): file.content for file in files}


@pytest.mark.parametrize(
    ("written", "where", "what", "remedy"),
    [
        ("{a: 2020-01-01}", "a", "is a date, which JSON cannot say", 'write "2020-01-01"'),
        ("{a: 2020-01-01 10:00:00}", "a", "is a date", 'write "2020-01-01T10:00:00"'),
        ("{a: !!binary aGk=}", "a", "is binary data", "write aGk="),
        ("{a: !!set {b}}", "a", "is a set", "write [b]"),
        ("{a: .nan}", "a", "is not a number that JSON can say", "write a number or null"),
        ("{a: [1, -.inf]}", "a.1", "is not a number that JSON can say", "write a number or null"),
        ("{a: 9007199254740993}", "a", "is larger than each reader", 'write "9007199254740993"'),
        ("{1: a, '1': b}", "1", "is there twice", "remove one of them"),
        ("{a: {1: b}}", "a.1", "is a key that is no text", 'write "1"'),
        ("{no: b}", "false", "is a key that is no text", 'write "false"'),
        ('{a: "\\ud83d\\ude00"}', "a", "holds halves of a character", 'write "😀"'),
        ('{"\\ud83d\\ude00": b}', "\\ud83d\\ude00", "holds halves of a character", 'write "😀"'),
    ],
)
def test_what_json_cannot_say_is_refused_with_what_to_write(
    written: str, where: str, what: str, remedy: str
) -> None:
    (problem,) = refused(CLIENT.format(written))
    assert problem.startswith(f"settings.yaml: well_known.client.{where}: {what}")
    assert f"; {remedy}" in problem


@pytest.mark.parametrize(
    "written", ["{a: '2020-01-01'}", "{a: [b]}", "{a: 9007199254740991}", "{a: 1.5, b: null}"]
)
def test_what_json_can_say_is_published_as_it_is(written: str) -> None:
    document = rendered(CLIENT.format(written))["nginx/well-known/client.json"]

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    found = json.loads(document, parse_constant=refuse)
    found.pop("m.homeserver")
    assert found == yaml.safe_load(written)


@pytest.mark.parametrize("part", ["well_known", "synapse"])
@pytest.mark.parametrize(
    ("written", "what"),
    [
        ("&a {x: *a}", "x: contains itself; write out what it is to hold"),
        ("&a {x: [*a]}", "x.0: contains itself"),
        ("{x: " + "[" * 60 + "]" * 60 + "}", "is nested more than 50 levels deep"),
        ("{x: " + "[" * 600 + "]" * 600 + "}", "is nested too deeply"),
        ("{x: 1" + "0" * 5000 + "}", "line 2: is not YAML (not a value of the type int)"),
        ("{x: 2020-13-45}", "line 2: is not YAML (not a value of the type timestamp)"),
        ('{x: "\\UFFFFFFFF"}', "line 2: is not YAML"),
        ("{x: !!timestamp y}", "line 2: is not YAML"),
        ("{x: !!pairs [a: b]}", "line 2: is not YAML (the type pairs is not supported"),
        ("{x: 1, x: 2}", "line 2: the key x is there twice"),
    ],
)  # fmt: skip
def test_what_nobody_can_write_down_is_refused_everywhere(
    part: str, written: str, what: str
) -> None:
    inside = written if part == "synapse" else f"{{client: {written}}}"
    (problem,) = refused(f"{GOOD}{part}: {inside}")
    assert what in problem
    if part == "synapse" and not written.startswith("&"):
        with pytest.raises(SettingsError) as caught:
            parsed_additions({"a.yaml": f"\nz: {written}"})
        assert what in str(caught.value)
        assert str(caught.value).startswith("/etc/altpeter-matrix/synapse.d/a.yaml: ")


@pytest.mark.parametrize("laughs", [LAUGHS, MERGED_LAUGHS], ids=["aliases", "merge keys"])
def test_aliases_that_explode_are_refused(laughs: str) -> None:
    """A short text that means more than any memory holds."""
    for text in (f"{GOOD}a: {laughs}", f"a: {laughs}"):
        with pytest.raises(SettingsError, match=f"means more than {MOST} values"):
            parse_mapping(text, "settings.yaml")
    with pytest.raises(yaml.YAMLError):
        load_as_synapse(f"a: {laughs}")


def test_group_data_of_python_is_held_to_the_same() -> None:
    endless: dict[str, Any] = {}
    endless["x"] = endless
    for part, what in [
        ({"synapse": endless}, "contains itself"),
        ({"synapse": {"x": object()}}, "is a object, which YAML cannot say"),
        ({"well_known": {"client": {"x": {1, 2}}}}, "is a set, which JSON cannot say"),
    ]:
        with pytest.raises(SettingsError, match=what):
            load_settings({"server_name": "a.org", **part}, source="group_data/all.py")


def test_merge_keys_are_read_as_synapse_reads_them() -> None:
    text = "m: &m {x: 1, y: 2}\nn: &n {y: 3}\nb: {y: 4, <<: *m}\nc: {<<: [*n, *m]}\nd: {<<: *m}\n"
    found = parse_mapping(text, "a.yaml")
    assert found == yaml.safe_load(text)
    assert (found["b"], found["c"]) == ({"x": 1, "y": 4}, {"x": 1, "y": 3})
    found = parse_mapping(f"{GOOD}uploads: &u {{max_size: 1M}}\nmedia: {{<<: *u}}", "a.yaml")
    assert found["media"] == {"max_size": "1M"}
    with pytest.raises(SettingsError, match=r"line 1: is not YAML \(expected a mapping"):
        parse_mapping("<<: 3", "a.yaml")


def test_the_key_of_a_merge_is_not_there_twice() -> None:
    text = "a: &a {x: 1, <<: &b {x: 2}}\nc: {<<: *a, x: 3}\n"
    assert parse_mapping(text, "a.yaml") == yaml.safe_load(text)


def test_what_synapse_reads_today_goes_on_to_it_unchanged() -> None:
    """A date is a version of a consent form to it: str(version)."""
    text = (
        "user_consent: {version: 2018-05-25, at: 2018-05-25T10:00:00Z}\n"
        "federation_domain_whitelist: !!set {a.org, b.org}\n"
        "modules: [{config: {1: x, big: 99999999999999999999, far: .inf, raw: !!binary aGk=}}]\n"
    )
    found = yaml.safe_load(rendered(GOOD, {"a.yaml": text})["synapse/altpeter-matrix.yaml"])
    assert {key: found[key] for key in yaml.safe_load(text)} == yaml.safe_load(text)
    assert found["user_consent"]["version"] == date(2018, 5, 25)
    assert found["user_consent"]["at"] == datetime(2018, 5, 25, 10, tzinfo=UTC)
    assert found["modules"][0]["config"][1] == "x"


@pytest.mark.parametrize("written", ['"\\ud800"', "{'\\ud800': 1}"])
def test_what_would_reach_synapse_as_something_else_is_refused(written: str) -> None:
    written = written.replace("'", '"')
    assert refused(f"{GOOD}synapse: {{x: {written}}}")[0].startswith("settings.yaml: synapse.x")
    with pytest.raises(SettingsError, match=r"synapse\.d/a\.yaml: x"):
        parsed_additions({"a.yaml": f"x: {written}"})


KEYS = st.one_of(st.text(), st.integers(), st.booleans(), st.dates(), st.none())
VALUES = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(), st.dates(),
        st.datetimes(), st.binary(),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(KEYS, inner, max_size=4),
        st.sets(st.text(), min_size=1, max_size=3),
    ),
    max_leaves=12,
)  # fmt: skip


@given(options=st.dictionaries(st.text(min_size=1), VALUES, max_size=4))
@settings(max_examples=200, deadline=None, derandomize=True)
def test_synapse_reads_what_was_written_or_it_is_refused(options: dict[str, Any]) -> None:
    try:
        text = yaml.safe_dump(options, allow_unicode=True, sort_keys=False)
        text.encode()
    except UnicodeEncodeError:
        return
    try:
        ((_, found),) = parsed_additions({"a.yaml": text})
    except SettingsError as error:
        assert all(problem.remedy for problem in error.problems)
        return
    assert found == yaml.safe_load(text)
    again = yaml.safe_load(rendered(GOOD, {"a.yaml": text})["synapse/altpeter-matrix.yaml"])
    assert {key: again[key] for key in found} == found


PIECES = st.lists(
    st.one_of(
        st.sampled_from(
            ["a", ": ", "- ", "\n", "  ", "{", "}", "[", "]", ", ", "&x ", "*x", "<<: ", "? ", "!!",
             "!!set ", "!!int ", "!!float ", "!!timestamp ", "!!binary ", "!!omap ", "!!pairs ",
             "!!bool ", "!<x> ", "'", '"', "\\U", "FFFFFFFF", "\\ud800", "2020-13-45", "1:99:1e5",
             ".nan", "0x", "---\n", "...\n", "%YAML 9.9\n", "|\n", ">-\n", "#", "@", "`", "~", "=",
             "\ufeff", "\x00", "\x85", "server_name: a.org\n", "synapse: ", "well_known: "]
        ),
        st.text(max_size=3),
    )
).map("".join)  # fmt: skip


@given(text=st.one_of(PIECES, st.text()))
@settings(max_examples=400, deadline=None, derandomize=True)
def test_no_text_raises_anything_but_our_own_error(text: str) -> None:
    for part in (text, f"{GOOD}synapse: {text}", f"{GOOD}well_known: {{client: {text}}}"):
        try:
            rendered(part)
        except SettingsError as error:
            assert all(one.where and one.what and one.remedy for one in error.problems)
            str(error).encode()
    try:
        parsed_additions({"a.yaml": text})
    except SettingsError as error:
        str(error).encode()


@given(content=st.one_of(st.binary(), PIECES.map(lambda text: text.encode(errors="replace"))))
@settings(max_examples=400, deadline=None, derandomize=True)
def test_no_bytes_of_a_file_of_synapses_raise_anything_but_a_yaml_error(content: bytes) -> None:
    try:
        load_as_synapse(content)
    except yaml.YAMLError:
        return
