"""What tells that a file was changed: its time and its size, without reading it."""

from pathlib import Path


def stamp(path: Path, *, exists_only: bool = False) -> str:
    try:
        state = path.stat()
    except OSError as error:
        return f"{path} {error.errno}"
    return f"{path}" if exists_only else f"{path} {state.st_mtime_ns} {state.st_size}"
