"""Files that another user may change: Synapse's directories belong to it, PostgreSQL's likewise.

There root would wait for ever at a named pipe, read an endless file, or follow a link to what only
root may see; and what is looked at first may be another file when it is opened. So such files are
read as the user whose they are, in a process that is ended when it takes too long. What that user
can read is no secret to it, and an administrator's links go on to work as they do for the program;
what it cannot read, the kernel refuses. Only regular files are read, and only so much of them.

base/disk.py has the other half: root writes nowhere through a link that another user can have made.
"""

import json
import os
import resource
import select
import signal
import stat
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from .accounts import SYNAPSE_USER, read_accounts
from .errors import HostError, Problem
from .paths import Paths
from .time_limit import at_most

# Seconds; the files are read in milliseconds, unless somebody is up to something.
WITHIN = 10.0
# Whoever has waited in vain once does not wait as long again: a command reads more than once.
_ONCE_MORE = 1.0
# Far more than any configuration has.
MOST_BYTES = 4 * 1024**2
MOST_FILES = 1000
# Whatever a child is made to do with a file, it does not eat up the memory of the host.
_MOST_MEMORY = 2 * 1024**3
_MOST_ANSWERED = 64 * 1024**2

_slow: set[str] = set()

_KINDS: tuple[tuple[Callable[[int], bool], str], ...] = (
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISDIR, "a directory"),
)


def contents_or_problems(
    paths: Paths, files: Iterable[Path], user: str = SYNAPSE_USER
) -> Mapping[Path, bytes | Problem]:
    """The content of each file that is there, or why it is not to be had."""
    wanted = list(dict.fromkeys(files))
    try:
        answers = as_user(paths, lambda: [_read(path) for path in wanted], user)
    except HostError as error:
        return dict.fromkeys(wanted, error.problems[0])
    return {
        path: found
        for path, answer in zip(wanted, answers, strict=True)
        if (found := _judged(path, answer, user)) is not None
    }


def contents(paths: Paths, files: Iterable[Path], user: str = SYNAPSE_USER) -> Mapping[Path, bytes]:
    """The content of each file that is there. HostError names all that is none, or hostile."""
    found = contents_or_problems(paths, files, user)
    if wrong := [one for one in found.values() if isinstance(one, Problem)]:
        raise HostError(wrong)
    return {path: one for path, one in found.items() if isinstance(one, bytes)}


def content(paths: Paths, file: Path, user: str = SYNAPSE_USER) -> bytes | None:
    """None: there is no such file."""
    return contents(paths, [file], user).get(file)


def names(paths: Paths, directory: Path, user: str = SYNAPSE_USER) -> list[str]:
    """What a directory holds, sorted; nothing when there is none."""
    found: list[str] = as_user(paths, lambda: _list(directory), user)
    if len(found) > MOST_FILES:
        raise HostError(
            Problem(str(directory), f"holds more than {MOST_FILES} files", "move them away")
        )
    return sorted(found)


def problems(paths: Paths) -> list[Problem]:
    """What in Synapse's directory is not what it has to be, whoever made it so."""
    for directory in (paths.synapse, paths.synapse_conf_d):
        try:
            state = directory.lstat()
        except OSError:
            return []
        if stat.S_ISLNK(state.st_mode) and directory == paths.synapse:
            continue  # in /etc, where only root makes links
        if not stat.S_ISDIR(state.st_mode):
            what = f"is {_kind(directory, state.st_mode)}, not a directory"
            remedy = "move it away, and put the directory back with its files"
            return [Problem(str(directory), what, remedy)]
    return []


def as_user(
    paths: Paths, work: Callable[[], Any], user: str = SYNAPSE_USER, within: float = WITHIN
) -> Any:
    """What `work` returns (something that JSON can say) as another user, or HostError.

    In this very process where there is nobody to fear: without root's rights, on another root than
    the host's, and where there is no such user.
    """
    identity = _identity(paths, user)
    if identity is None:
        return work()
    within = at_most(min(within, _ONCE_MORE) if user in _slow else within)
    reader, writer = os.pipe2(os.O_CLOEXEC)
    child = os.fork()
    if child == 0:
        _work_as(identity, work, writer)
    os.close(writer)
    try:
        text = _answer_of(reader, time.monotonic() + within)
    finally:
        os.close(reader)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    if text is None:
        _slow.add(user)
        what = f"cannot be read as the user {user} within {within:.0f} s, or is endless"
        where = str(paths.synapse if user == SYNAPSE_USER else user)
        raise HostError(Problem(where, what, f"look at what its files are (`ls -laR {where}`)"))
    answer: Mapping[str, Any] = json.loads(text)
    if "error" in answer:
        number, reason, name = answer["error"]
        raise OSError(number, reason, name)
    if "what" in answer:
        raise HostError(Problem(user, answer["what"], "look at its files"))
    return answer["is"]


def _identity(paths: Paths, user: str) -> tuple[int, int, list[int]] | None:
    """Numbers of the user and its groups; None: no reason to become another one, or no such."""
    if os.geteuid() != 0 or paths.root != Path("/"):
        return None
    accounts = read_accounts(paths.root)
    number, group = accounts.ids.get(user), accounts.users.get(user)
    if not number or group is None:
        return None
    more = [accounts.groups[name] for name, users in accounts.members.items() if user in users]
    return number, group, [group, *more]


def _work_as(identity: tuple[int, int, list[int]], work: Callable[[], Any], writer: int) -> None:
    """The child's life. It runs nothing of its parent's: no handler, no clean-up."""
    answer: Mapping[str, Any]
    try:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_AS, (_MOST_MEMORY, _MOST_MEMORY))
        user, group, groups = identity
        os.setgroups(groups)
        os.setresgid(group, group, group)
        # From here on that user can signal it, and no more: the kernel lets nobody trace it.
        os.setresuid(user, user, user)
        answer = {"is": work()}
    except OSError as error:
        answer = {"error": [error.errno, error.strerror, str(error.filename or "")]}
    except BaseException as error:  # of its own kind, also when memory runs out
        answer = {"what": f"cannot be read ({type(error).__name__}: {error})"}
    try:
        data = json.dumps(answer).encode()
        while data:
            data = data[os.write(writer, data) :]
    finally:
        os._exit(0)


def _answer_of(reader: int, deadline: float) -> bytes | None:
    """All that the child says until it ends; None when that is too late, too much, or nothing."""
    said = bytearray()
    while (left := deadline - time.monotonic()) > 0:
        if not select.select([reader], [], [], left)[0]:
            return None
        part = os.read(reader, 1024**2)
        if not part:
            return bytes(said) or None
        said += part
        if len(said) > _MOST_ANSWERED:
            return None
    return None


def _read(path: Path) -> dict[str, Any]:
    """A file as JSON can say it: its bytes as Latin-1."""
    try:
        # Opening a named pipe does not wait.
        flags = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
        descriptor = os.open(path, flags)
    except OSError as error:
        return {"errno": error.errno, "reason": error.strerror}
    try:
        state = os.fstat(descriptor)
        if not stat.S_ISREG(state.st_mode):
            return {"mode": state.st_mode}
        with os.fdopen(os.dup(descriptor), "rb") as stream:
            content = stream.read(MOST_BYTES + 1)
    except OSError as error:
        return {"errno": error.errno, "reason": error.strerror}
    finally:
        os.close(descriptor)
    if len(content) > MOST_BYTES:
        return {"large": max(state.st_size, len(content))}
    return {"content": content.decode("latin-1")}


def _list(directory: Path) -> list[str]:
    found: list[str] = []
    try:
        with os.scandir(directory) as entries:
            for entry in entries:
                found.append(entry.name)
                if len(found) > MOST_FILES:
                    break
    except (FileNotFoundError, NotADirectoryError):
        return []
    return found


def _judged(path: Path, answer: Mapping[str, Any], user: str) -> bytes | Problem | None:
    if "content" in answer:
        return str(answer["content"]).encode("latin-1")
    away = "move it away, and put the file back"
    if "large" in answer:
        what = f"has {answer['large']} bytes, which no configuration has"
        return Problem(str(path), what, away)
    if "mode" in answer:
        return Problem(str(path), f"is {_kind(path, answer['mode'])}, not a file", away)
    missing = isinstance(answer.get("errno"), int) and not os.path.lexists(path)
    if missing:
        return None
    what = f"cannot be read by the user {user} ({answer.get('reason')})"
    if path.is_symlink():
        what = f"is a link to {os.readlink(path)}, and {what}"
    return Problem(str(path), what, away)


def _kind(path: Path, mode: int) -> str:
    if path.is_symlink():
        return f"a link to {os.readlink(path)}"
    return next((name for is_kind, name in _KINDS if is_kind(mode)), "a file")
