"""Files that the deploy writes whole: content over stdin, mode from the first byte, one rename."""

import base64
from collections.abc import Generator
from pathlib import PurePosixPath

from pyinfra import host
from pyinfra.api import QuoteString, StringCommand, operation

from ..connection.stdin import with_stdin
from ..observe.host_state import HostState

_LAST = "end"


def write(path: str, content: bytes, mode: str, *, directory_mode: str = "755") -> StringCommand:
    """The command that puts a file in place: whole or not at all, and never readable too early.

    It writes nothing before it has the last line of its input, which it lacks when the deploy was
    killed in between. The temporary name is its own: what a killed deploy began may still be at
    work on the host when the next one writes the same file.
    """
    target = PurePosixPath(path)
    # A dot in front: apt, nginx and the host tool do not read such a file when we are killed.
    temporary = _quoted(target.with_name(f".{target.name}.new."))
    return with_stdin(
        StringCommand(
            "umask 077 && IFS= read -r content && IFS= read -r last &&",
            f'[ "$last" = {_LAST} ] &&',
            f"{{ [ -d {_quoted(target.parent)} ] ||",
            f"install -d -m {directory_mode} {_quoted(target.parent)}; }} &&",
            f"rm -f {temporary}* && temporary=$(mktemp {temporary}XXXXXX) &&",
            'printf %s "$content" | base64 -d >"$temporary" &&',
            f'chmod {mode} "$temporary" && sync "$temporary" &&',
            f'mv -T "$temporary" {_quoted(target)}',
        ),
        f"{base64.b64encode(content).decode()}\n{_LAST}",
    )


def _quoted(path: PurePosixPath | str) -> str:
    return StringCommand(QuoteString(str(path))).get_raw_value()


@operation()
def managed_file(
    path: str,
    content: bytes | None,
    state: HostState,
    mode: str = "644",
    keep_old_in: str | None = None,
) -> Generator[StringCommand, None, None]:
    """
    Put a file in place whose content belongs to the deploy.

    + path: of the file on the host
    + content: all of it; None: there is to be no such file
    + state: what was observed on the host
    + mode: of the file
    + keep_old_in: a directory that gets the file that was there before
    """
    present = state.files.get(path)
    if content is None:
        if present is None:
            host.noop(f"{path} is not there")
            return
        yield StringCommand("rm -f", QuoteString(path))
        return
    if state.has_file(path, content):
        host.noop(f"{path} is up to date")
        return
    if present is not None and keep_old_in is not None:
        name = PurePosixPath(path).name
        yield StringCommand(
            "install -d -m 755", QuoteString(keep_old_in), "&&",
            "cp -p", QuoteString(path),
            StringCommand(QuoteString(f"{keep_old_in}/{name}."), '"$(date +%Y%m%d-%H%M%S)"',
                          _separator=""),
        )  # fmt: skip
    yield write(path, content, mode)


@operation()
def secret_file(
    path: str, secret: str | None, state_is_same: bool, state_is_private: bool
) -> Generator[StringCommand, None, None]:
    """
    Put a secret of one line into a file that only root can read.

    + path: of the file on the host
    + secret: its content; None leaves alone what is there
    + state_is_same: whether the host found this very secret in the file
    + state_is_private: whether the file is root's, mode 600
    """
    if secret is None or (state_is_same and state_is_private):
        host.noop(f"{path} is up to date")
        return
    yield write(path, f"{secret}\n".encode(), "600", directory_mode="750")
