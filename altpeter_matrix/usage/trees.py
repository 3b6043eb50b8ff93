"""How much room a directory takes, as du(1) counts it, looked at for a bounded time.

Nothing is opened but directories, and no link is followed but the one that the directory itself may
be. Whoever changes the tree meanwhile can make the sum wrong, and no more.
"""

import os
import stat
import time
from dataclasses import dataclass
from pathlib import Path

_BLOCK = 512  # stat(2): the unit of st_blocks, whatever the file system's own is


@dataclass(frozen=True)
class Tree:
    """size: bytes on the disk; whole: False when time was over, or something could not be read."""

    size: int = 0
    whole: bool = True

    def __add__(self, other: "Tree") -> "Tree":
        return Tree(self.size + other.size, self.whole and other.whole)


def measure(top: Path, until: float) -> Tree | None:
    """The room of a directory or file until that time.monotonic(); None: it is not there."""
    try:
        state = top.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError:
        return Tree(whole=False)
    size, whole = state.st_blocks * _BLOCK, True
    linked: set[tuple[int, int]] = set()  # a file with several names takes its room once
    waiting = [str(top)] if stat.S_ISDIR(state.st_mode) else []
    while waiting:
        try:
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    if time.monotonic() > until:
                        return Tree(size, whole=False)
                    found = entry.stat(follow_symlinks=False)
                    if stat.S_ISDIR(found.st_mode):
                        waiting.append(entry.path)
                    elif found.st_nlink > 1:
                        if (found.st_dev, found.st_ino) in linked:
                            continue
                        linked.add((found.st_dev, found.st_ino))
                    size += found.st_blocks * _BLOCK
        except FileNotFoundError:
            continue  # removed meanwhile
        except OSError:
            whole = False
    return Tree(size, whole)
