"""What PostgreSQL and Synapse may take of this machine: one rule, from 512 MB of memory to 64 GB.

Shares of the memory, so that together they are never more than three quarters of it; what a large
machine would give without use is cut off. The page sizing.md says where each share comes
from, and has the table.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .model import Sizing

MIB = 1024**2
GIB = 1024**3
# Machines of a size differ by some MiB in what the kernel leaves, from one boot to the next, too.
STEP = 64 * MIB
# What one more connection takes in PostgreSQL besides its sorts, as measured.
PER_CONNECTION = 8 * MIB
# Of autovacuum, which is PostgreSQL's default number.
AUTOVACUUM_WORKERS = 3
# PostgreSQL gives a hash table twice as much as a sort (hash_mem_multiplier).
_HASHES = 2

# Debian's PostgreSQL accepts 100 connections; the rest is left to backups and people.
_MOST_CONNECTIONS = 40
_USUAL_CONNECTIONS = 10
_LEAST_CONNECTIONS = 5

# random_page_cost and effective_io_concurrency: PostgreSQL's own are for a hard disk.
_STORAGE = {"flash": (1.1, 200), "disk": (4.0, 2)}


@dataclass(frozen=True)
class Sizes:
    """In bytes, but for the last four. Named as PostgreSQL names its options.

    cache_memory: what Synapse may have allocated before it empties caches.
    cache_factor: how many entries its caches have, as Synapse counts: 0.5 is its default.
    """

    shared_buffers: int
    effective_cache_size: int
    work_mem: int
    maintenance_work_mem: int
    autovacuum_work_mem: int
    max_wal_size: int
    cache_memory: int
    cache_factor: float
    random_page_cost: float
    effective_io_concurrency: int
    connections: int

    @property
    def planned(self) -> int:
        """All that is in use when everything is at work at once."""
        each = _HASHES * self.work_mem + PER_CONNECTION
        return (
            self.shared_buffers
            + self.cache_memory
            + self.connections * each
            + self.maintenance_work_mem
            + AUTOVACUUM_WORKERS * self.autovacuum_work_mem
        )


def connections_by_processors(processors: int) -> int:
    """How many connections Synapse keeps where nothing is sized."""
    return min(max(_USUAL_CONNECTIONS, 5 * processors), _MOST_CONNECTIONS)


def sizes(
    memory: int, processors: int, wanted: "Sizing | None" = None, connections: int | None = None
) -> Sizes:
    """For so many bytes of memory and so many processors.

    wanted, connections: what the settings say of each size.
    """
    memory = max(memory - memory % STEP, STEP)
    if connections is None:
        by_memory = max(_LEAST_CONNECTIONS, memory // (64 * MIB))
        connections = min(connections_by_processors(processors), by_memory)
    random_page_cost, concurrency = _STORAGE["flash" if wanted is None else wanted.storage]

    def said(name: str, ruled: int) -> int:
        value: int | None = getattr(wanted, name, None)
        return _whole(ruled) if value is None else value

    return Sizes(
        shared_buffers=said("shared_buffers", min(memory // 8, 8 * GIB)),
        effective_cache_size=said("effective_cache_size", memory // 2),
        work_mem=said("work_mem", min(memory // 16 // connections, 64 * MIB)),
        maintenance_work_mem=said("maintenance_work_mem", min(memory // 16, GIB)),
        autovacuum_work_mem=said("autovacuum_work_mem", min(memory // 64, 256 * MIB)),
        max_wal_size=_whole(min(max(memory // 4, GIB), 4 * GIB)),
        cache_memory=said("cache_memory", min(memory // 4, 8 * GIB)),
        cache_factor=min(max(memory // (2 * GIB) / 2, 0.5), 8.0),
        random_page_cost=random_page_cost,
        effective_io_concurrency=concurrency,
        connections=connections,
    )


def _whole(size: int) -> int:
    """A number of MiB, which a person can read; of one at least."""
    return max(size // MIB, 1) * MIB
