"""What the database says of an account."""

from typing import Any

import pytest

from altpeter_matrix.synapse import user_records
from altpeter_matrix.synapse.user_records import Record

from ..fake_host import FakeHost
from ..host_fixtures import serving

__all__ = ["serving"]


@pytest.mark.parametrize(
    ("rows", "record"),
    [
        ([["@a:b.org", 1, 0]], Record("@a:b.org", True, False)),
        ([["@a:b.org", 0, 1]], Record("@a:b.org", False, True)),
        ([], None),
        ([["@a:b.org", 0]], None),
        ([["@a:b.org", "no", 1]], None),
        ([["@a:b.org", None, 1]], None),
        ([[1, 0, 1]], None),
    ],
)
def test_a_record_counts_only_in_the_form_that_was_asked_for(
    serving: FakeHost, monkeypatch: pytest.MonkeyPatch, rows: list[Any], record: Record | None
) -> None:
    monkeypatch.setattr(user_records, "as_synapse", lambda *_: [rows])
    assert user_records.find(serving.paths, "@a:b.org") == record
