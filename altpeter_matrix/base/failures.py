"""Turning what the operating system refuses into problems that an administrator understands."""

import errno

from .commands import run
from .errors import MatrixConfigError, Problem

_REMEDIES = {
    errno.ENOSPC: "free some space, then run `altpeter-matrix apply` again",
    errno.EDQUOT: "raise the quota, then run `altpeter-matrix apply` again",
    errno.EROFS: "the file system is read-only: look at `dmesg`, repair it, then try again",
    errno.EACCES: "run it as root; if it is root already, look at the file's attributes (lsattr)",
    errno.EPERM: "run it as root; if it is root already, look at the file's attributes (lsattr)",
    errno.EIO: "the disk fails: look at `dmesg`, and check your backups",
}


def as_problem(error: OSError) -> Problem:
    """A Problem from an OSError: which file, what the kernel said, what to do."""
    where = str(error.filename or "altpeter-matrix")
    remedy = _REMEDIES.get(error.errno or 0, "remove the cause, then run `altpeter-matrix apply`")
    return Problem(where, error.strerror or str(error), remedy)


def problems_of(error: BaseException) -> tuple[Problem, ...]:
    """The problems that an error carries; empty for one that nobody foresaw."""
    if isinstance(error, MatrixConfigError):
        return error.problems
    return (as_problem(error),) if isinstance(error, OSError) else ()


def package_version() -> str:
    """The version of this package, as dpkg knows it."""
    shown = run(
        "dpkg-query", "--show", "--showformat=${Version}", "altpeter-matrix-config", check=False
    )
    return shown.stdout.strip() if shown.ok and shown.stdout.strip() else "unpackaged"
