"""What people read."""

from altpeter_matrix.base.errors import Problem
from altpeter_matrix.notify.news import Finding, News, message

DOWN = Finding("synapse-down", "error", Problem("matrix-synapse", "is failed", "read"), "undo.md#a")
OLD = Finding("old", "warning", Problem("PostgreSQL", "is old", "move"), "upgrades.md")


def test_one_fault_is_the_title() -> None:
    told = message("example.org", [News("new", DOWN, 0)])
    assert told.title == "[example.org] error: matrix-synapse: is failed"
    assert told.urgent
    assert "What to do: read" in told.text and "undo.md," in told.text
    assert "--explain synapse-down" in told.text and "1970-01-01 00:00 UTC" in told.text


def test_an_end_needs_no_remedy() -> None:
    told = message("example.org", [News("ended", DOWN, 0)])
    assert told.title == "[example.org] ended: matrix-synapse: is failed"
    assert not told.urgent and "What to do" not in told.text


def test_several_are_counted_and_the_worst_comes_first() -> None:
    told = message(
        "example.org", [News("ended", OLD, 0), News("new", OLD, 0), News("new", DOWN, 0)]
    )
    assert told.title == "[example.org] 2 new, 1 ended"
    assert [one.fault.id for one in told.news] == ["synapse-down", "old", "old"]


def test_a_title_is_one_line_of_bounded_length() -> None:
    long = Finding("x", "error", Problem("here", "a\nb " * 200, "do"), "x.md")
    title = message("example.org", [News("new", long, 0)]).title
    assert "\n" not in title and len(title) <= 150
