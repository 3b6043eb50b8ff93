"""What a deploy that adopts announces before it has installed anything."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from altpeter_matrix.adopt.rehearsal import with_jemalloc
from altpeter_matrix.adopt.survey import Survey
from altpeter_matrix.base.paths import Paths

from ..samples import settings

SERVER = "server_name: example.org\n"


def decided(
    text: str = SERVER, library: Path | None = None, options: dict[str, Any] | None = None
) -> Survey:
    rendered = SimpleNamespace(facts=SimpleNamespace(jemalloc=library), options={})
    reading = SimpleNamespace(options=options or {})
    found = SimpleNamespace(settings=settings(text), rendered=rendered, reading=reading)
    return cast(Survey, found)


def test_the_bound_of_the_caches_is_told_before_its_library_is_there(tmp_path: Path) -> None:
    [change] = with_jemalloc(Paths(tmp_path), decided())
    assert str(change) == "caches: not set -> sized to this machine (with libjemalloc2)"


@pytest.mark.parametrize(
    "found",
    [
        decided(library=Path("/usr/lib/libjemalloc.so.2")),
        decided(f"{SERVER}sizing: {{enabled: false}}\n"),
        decided(options={"caches": {"global_factor": 2}}),
    ],
    ids=["it is there", "switched off", "set by hand"],
)
def test_else_it_does_not_come(found: Survey, tmp_path: Path) -> None:
    assert with_jemalloc(Paths(tmp_path), found) == []


def test_nor_where_another_allocator_was_chosen(tmp_path: Path) -> None:
    file = tmp_path / "etc/default/matrix-synapse"
    file.parent.mkdir(parents=True)
    file.write_text("LD_PRELOAD=/usr/lib/libtcmalloc.so.4\n")
    assert with_jemalloc(Paths(tmp_path), decided()) == []
