"""For how long a server may take until it answers."""

from types import SimpleNamespace

import pytest

from altpeter_matrix.settings.model import parse_settings_text
from altpeter_matrix.synapse import health
from altpeter_matrix.synapse.health import Answer, Probe, unhealthy

SETTINGS = parse_settings_text("server_name: matrix.example.org\n", source="settings.yaml")


class Clock:
    """Goes on when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(health, "time", SimpleNamespace(monotonic=lambda: clock.now,
                                                        sleep=clock.sleep))  # fmt: skip
    return clock


def probes_that_answer_at(
    clock: Clock, monkeypatch: pytest.MonkeyPatch, *moments: float
) -> dict[str, int]:
    """Have the server answer each question from that moment on; how often each was put."""
    asked = {str(moment): 0 for moment in moments}

    def wrong(answer: Answer) -> str | None:
        return None if answer.status == 200 else f"answers {answer.status}"

    def probe(moment: float) -> Probe:
        def ask() -> Answer:
            asked[str(moment)] += 1
            return Answer(200 if clock.now >= moment else 502, {}, b"")

        return Probe(str(moment), ask, wrong, "")

    all_probes = [probe(moment) for moment in moments]
    monkeypatch.setattr(health, "probes", lambda *_args, **_options: all_probes)
    return asked


def test_a_slow_answer_leaves_the_next_one_its_time(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Synapse has just restarted on a busy machine, and then nginx has to notice that."""
    probes_that_answer_at(clock, monkeypatch, 19, 22, 22)
    assert unhealthy(SETTINGS, nginx=True, synapse=True, patience=20) == []


def test_after_one_that_fails_the_others_are_asked_once(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Going back must not wait for each of them."""
    asked = probes_that_answer_at(clock, monkeypatch, 0, 1000, 2000, 3000)
    found = unhealthy(SETTINGS, nginx=True, synapse=True, patience=20)
    assert [one.where for one in found] == ["1000", "2000", "3000"]
    assert 20 <= clock.now < 21
    assert asked["2000"] == asked["3000"] == 1


def test_without_patience_each_is_asked_once(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = probes_that_answer_at(clock, monkeypatch, 1, 2)
    assert len(unhealthy(SETTINGS, nginx=True, synapse=True)) == 2
    assert asked == {"1": 1, "2": 1}


def test_each_probe_asks_its_own_port_when_all_are_asked_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[tuple[str, int]] = []

    def get(_name: str, path: str, *, port: int = 443, tls: bool = True) -> Answer:
        asked.append((path, port))
        return Answer(200, {}, b"")

    monkeypatch.setattr(health, "get", get)
    health.unhealthy(SETTINGS, nginx=True, synapse=True, at_once=True)
    assert ("/health", SETTINGS.listener.port) in asked
    assert {port for _path, port in asked} == {SETTINGS.listener.port, 443, 8448}
