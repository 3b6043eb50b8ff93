"""One line a day, bounded, and readable whatever became of the file."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from altpeter_matrix.base.paths import Paths
from altpeter_matrix.usage import samples
from altpeter_matrix.usage.model import Part

from .looks import days, look

SAMPLE = samples.of(look())
BAD = (
    "", "{", "[]", "null", "7", '"text"', "\ud800", "[" * 5000, json.dumps({"time": "yesterday"}),
    json.dumps({"time": SAMPLE.time, "disks": {"/": {"size": -1}}, "parts": {}}),
    json.dumps({"time": SAMPLE.time, "disks": {}, "parts": {"media": "much"}}),
    json.dumps({"time": SAMPLE.time, "disks": {}, "parts": {"media": True}}),
)  # fmt: skip


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    return Paths(tmp_path)


def test_what_is_noted_is_read_again(paths: Paths) -> None:
    samples.add(paths, SAMPLE)
    assert samples.read(paths) == (SAMPLE,)
    assert SAMPLE.parts["state-groups"] == look().parts[1].inside[0].size
    assert paths.usage_samples.stat().st_mode & 0o777 == 0o600


def test_there_is_one_a_day_the_last(paths: Paths) -> None:
    for time in ("2026-03-31T10:00:00Z", "2026-03-30T12:00:00Z", "2026-03-31T12:00:00Z"):
        samples.add(paths, replace(SAMPLE, time=time))
    found = [one.time for one in samples.read(paths)]
    assert found == ["2026-03-30T12:00:00Z", "2026-03-31T12:00:00Z"]


def test_the_oldest_go(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(samples, "MOST", 5)
    for one in days(8):
        samples.add(paths, one)
    assert samples.read(paths) == days(5)
    samples.add(paths, replace(SAMPLE, time="1970-01-01T00:00:12Z"))
    assert samples.read(paths) == days(5), "a wrong clock pushes nothing out"


def test_a_clock_that_goes_back_loses_no_sample(paths: Paths) -> None:
    for one in days(8):
        samples.add(paths, one)
    early = replace(SAMPLE, time="1970-01-01T00:00:12Z")
    samples.add(paths, early)
    assert samples.read(paths) == (early, *days(8))


@pytest.mark.parametrize("bad", BAD, ids=range(len(BAD)))
def test_a_line_that_is_none_is_passed_over(paths: Paths, bad: str) -> None:
    samples.add(paths, SAMPLE)
    line = paths.usage_samples.read_bytes()
    paths.usage_samples.write_bytes(bad.encode(errors="surrogatepass") + b"\n" + line)
    assert samples.read(paths) == (SAMPLE,)


def test_fields_of_a_later_version_are_passed_over(paths: Paths) -> None:
    samples.add(paths, SAMPLE)
    raw = json.loads(paths.usage_samples.read_text())
    raw["more"] = 1
    raw["disks"]["/"]["speed"] = 7
    paths.usage_samples.write_text(json.dumps(raw))
    assert samples.read(paths) == (SAMPLE,)


def test_what_was_not_counted_to_its_end_is_not_noted() -> None:
    parts = (Part("media", "media", 7, whole=False), Part("logs", "logs", 3))
    assert samples.of(look(parts=parts)).parts == {"logs": 3}


def test_no_file_is_no_sample(paths: Paths) -> None:
    assert samples.read(paths) == ()
    paths.usage_samples.mkdir(parents=True)
    assert samples.read(paths) == ()
