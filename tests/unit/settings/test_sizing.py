"""The rule that divides a machine's memory, for every machine."""

from dataclasses import fields

import pytest
from hypothesis import given
from hypothesis import strategies as st

from altpeter_matrix.settings.sizing import GIB, MIB, Sizes, sizes

from ..samples import settings
from .refusals import GOOD, refused

machines = st.integers(512 * MIB, 128 * GIB)
processors = st.integers(1, 256)


@given(machines, processors)
def test_all_together_is_never_more_than_three_quarters(memory: int, processors: int) -> None:
    assert 0 < sizes(memory, processors).planned <= memory * 3 // 4


@given(machines, machines, processors)
def test_more_memory_never_gives_less(one: int, other: int, processors: int) -> None:
    small, large = (sizes(memory, processors) for memory in sorted((one, other)))
    for field in fields(Sizes):
        assert getattr(small, field.name) <= getattr(large, field.name), field.name


@given(machines, processors, processors)
def test_more_processors_never_give_fewer_connections(memory: int, one: int, other: int) -> None:
    few, many = sorted((one, other))
    assert sizes(memory, few).connections <= sizes(memory, many).connections
    assert sizes(memory, many).connections <= 40


@given(machines, st.integers(0, 63 * MIB), processors)
def test_what_the_kernel_takes_at_one_boot_makes_no_difference(
    memory: int, less: int, processors: int
) -> None:
    memory -= memory % (64 * MIB)
    assert sizes(memory, processors) == sizes(memory + less, processors)


@given(st.integers(GIB, 128 * GIB), processors)
def test_from_one_gigabyte_on_nothing_gets_less_than_by_default_but_autovacuum(
    memory: int, processors: int
) -> None:
    found = sizes(memory, processors)
    assert found.shared_buffers >= 128 * MIB
    assert found.maintenance_work_mem >= 64 * MIB
    assert found.work_mem >= 4 * MIB
    assert found.max_wal_size >= GIB
    assert found.cache_factor >= 0.5
    assert found.connections >= 10


@given(st.integers(1, 512 * MIB), processors)
def test_what_is_too_small_for_anything_gets_something_all_the_same(
    memory: int, processors: int
) -> None:
    found = sizes(memory, processors)
    assert all(getattr(found, field.name) > 0 for field in fields(Sizes))
    assert found.connections >= 5


def test_each_size_can_be_said_and_the_others_follow_the_machine() -> None:
    wanted = settings(GOOD + "sizing: {shared_buffers: 300M, storage: disk}").sizing
    ruled, said = sizes(4 * GIB, 2), sizes(4 * GIB, 2, wanted)
    assert said.shared_buffers == 300 * MIB
    assert (said.random_page_cost, said.effective_io_concurrency) == (4.0, 2)
    assert (said.work_mem, said.cache_memory) == (ruled.work_mem, ruled.cache_memory)


def test_with_more_connections_each_gets_less() -> None:
    assert sizes(8 * GIB, 2, None, 80).work_mem < sizes(8 * GIB, 2).work_mem


@pytest.mark.parametrize(
    ("sizing", "message"),
    [
        ("off", "sizing: off is not a group of keys; put its keys"),
        ("{memory: 2048}", "sizing.memory: 2048 is not a text; write 2G"),
        ("{memory: 2 GB}", 'sizing.memory: "2 GB" is not a size of memory; write 2G'),
        ("{memory: 1K}", "is less than anything works with; write 1M or more"),
        ("{shared_buffers: 2048G}", "is more than any machine has; write 1024G"),
        ("{shared_buffers: 25%}", "sizing.shared_buffers"),
        ("{storage: ssd}", 'sizing.storage: "ssd" is not one of flash, disk'),
        ("{shared_bufers: 1G}", "sizing.shared_bufers"),
    ],
)
def test_what_makes_no_sense_is_refused(sizing: str, message: str) -> None:
    assert message in "\n".join(refused(GOOD + f"sizing: {sizing}"))
