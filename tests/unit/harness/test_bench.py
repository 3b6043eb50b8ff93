"""The bench's own arithmetic: a missed limit must show, and both sides must take turns fairly."""

import re
from difflib import ndiff

import pytest

from altpeter_matrix.render import nginx_site
from tests.bench import sized
from tests.bench.deploying import grand_total
from tests.bench.normal_path import read_wrk, results
from tests.bench.pages import ALL, BEGIN, END, RESTARTS, replaced
from tests.bench.plain_site import under_name, without_hold
from tests.bench.result import Comparison, Count, PairedComparison, table
from tests.bench.timing import alternately
from tests.clients.load import Report, Sample
from tests.hosts.lab import LabError

from ..samples import DELEGATED, facts, settings


def test_ratio_is_of_medians_so_that_one_slow_run_does_not_decide() -> None:
    comparison = Comparison("x", ours=(1.0, 1.0, 9.0), theirs=(4.0, 4.0, 0.1), limit=0.25)
    assert comparison.ratio == 0.25
    assert comparison.ok


def test_ratio_above_its_limit_is_missed() -> None:
    comparison = Comparison("x", ours=(1.31,), theirs=(1.0,), limit=1.3)
    assert not comparison.ok
    assert "MISSED" in table([comparison])


def test_a_load_that_comes_and_goes_does_not_decide_between_turns_side_by_side() -> None:
    paired = PairedComparison("x", ours=(1.1, 3.3, 1.0), theirs=(1.0, 3.0, 2.0), limit=1.05)
    assert paired.ratio == pytest.approx(1.1)
    assert not paired.ok
    assert PairedComparison("x", paired.ours, paired.theirs, limit=None).ok


def test_one_run_with_a_second_connection_misses_the_limit() -> None:
    assert Count("connections", (1, 1), limit=1).ok
    assert not Count("connections", (1, 2, 1), limit=1).ok


def test_sides_take_turns_in_going_first() -> None:
    order: list[str] = []

    def side(name: str, took: float) -> float:
        order.append(name)
        return took

    ours, theirs = alternately("x", 3, lambda: side("ours", 1.0), lambda: side("theirs", 2.0))
    assert order == ["ours", "theirs", "theirs", "ours", "ours", "theirs"]
    assert (ours, theirs) == ((1.0, 1.0, 1.0), (2.0, 2.0, 2.0))


def test_operations_are_read_from_the_summary() -> None:
    assert grand_total("       Grand total    14    2    -    12    \n") == (14, 2)
    with pytest.raises(LabError, match="no grand total"):
        grand_total("nothing of the kind")


def test_counts_of_both_sides_are_shown_and_only_ours_is_limited() -> None:
    count = Count("failed", (0,), 0, theirs=(17,))
    assert count.ok
    assert "    17 |" in table([count])
    assert not Count("failed", (1,), 0, theirs=(17,)).ok


def test_wrks_numbers_are_read() -> None:
    output = "  Latency Distribution\n     99%   21.50ms\nRequests/sec:   500.00\n"
    assert read_wrk(output) == (2.0, 21.5)
    with pytest.raises(LabError, match="wrk did not measure"):
        read_wrk(f"{output}  Socket errors: connect 0, read 3, write 0, timeout 0\n")


def test_ours_is_compared_with_both_measurements_of_the_site_without_the_hold() -> None:
    turns = {"ours": [(1.2, 30.0)], "theirs": [(1.0, 10.0)], "again": [(1.44, 40.0)]}
    found = [result for result in results("13", "sends", turns) if isinstance(result, Comparison)]
    assert [result.ratio for result in found] == pytest.approx([1.0, 1.44, 1.5, 4.0])
    assert [result.ok for result in found] == [True, True, False, True]


def test_the_site_without_the_hold_is_otherwise_the_same() -> None:
    chosen = settings(DELEGATED)
    ours = nginx_site.site(chosen, facts(), ("client",))
    theirs = without_hold(ours)
    assert "-e /run" not in theirs
    assert "proxy_pass http://altpeter_matrix_read;" in theirs
    gone = [line[1:].strip() for line in ndiff(ours.splitlines(), theirs.splitlines())
            if line.startswith("- ")]  # fmt: skip
    kinds = {re.sub(r"[ ;].*", "", line) for line in gone}
    assert kinds == {"if", "return", "}", "error_page", "proxy_next_upstream", "proxy_bind",
                     "proxy_pass"}  # fmt: skip
    ways = ours.count("proxy_pass http://$altpeter_matrix_upstream;")
    assert len(gone) == 4 * ways + 3 * ours.count("if (-e ")


def test_the_same_site_under_another_name_shares_nothing_with_ours() -> None:
    other = under_name(nginx_site.site(settings(DELEGATED), facts(), ("client",)), "plain1.test")
    assert set(re.findall("server_name [^;]*;", other)) == {"server_name plain1.test;"}
    assert not re.search("altpeter_matrix_|default_server|reject_handshake", other)
    assert r'"~^000 [^ ]+ plain1\.test$" 1;' in other


def test_a_page_shows_the_last_results_and_keeps_its_text() -> None:
    page = f"Before\n\n{BEGIN}\n\n| old |\n\n{END}\n\nAfter\n"
    assert replaced(page, "| new |") == page.replace("old", "new")
    with pytest.raises(ValueError, match="missing"):
        replaced("Before\n", "| new |")
    for published in (ALL, RESTARTS):
        assert "| restarts" in replaced(published.read_text(), "| restarts |")


def test_a_server_that_never_answers_again_is_without_service_until_the_end() -> None:
    answers = [Sample("get", at, 0.5, None) for at in (0.0, 1.0)]
    refusals = [Sample("get", at, 0.5, "502") for at in (2.0, 9.0)]
    polls = [Sample("poll", 0.0, 30.0, None)]
    assert Report([*answers, *refusals, *polls]).longest_gap == 8.0
    assert Report(polls).longest_gap == 0.0


def test_a_sized_server_is_shown_beside_one_that_is_not() -> None:
    turns = {(kind, side): [(2.0, 90.0)] for kind in sized.KINDS for side in sized.SIDES}
    memory = {(program, "ours"): [100.0] for program in sized.PROCESSES}
    memory |= {(program, "theirs"): [200.0] for program in sized.PROCESSES}
    shown = table(sized.results("13", turns, memory))
    assert "1000 syncs, sized, Debian 13" in shown and "p99 of sends" in shown
    assert re.search(r"memory of Synapse .* \| +100.0 MB \| +200.0 MB", shown)
