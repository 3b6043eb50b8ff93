"""Facts: how the deploy looks at a host. None of them changes anything."""

import base64
import binascii
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from pyinfra.api import FactBase, QuoteString, StringCommand
from pyinfra.api.exceptions import FactProcessError

from . import openpgp
from .host_state import HostState
from .observed import parse

_HERE = Path(__file__).parent


@dataclass(frozen=True)
class LoggedIn:
    """How the deploy reached the host."""

    uid: int
    ssh_port: int | None  # sshd's end of this very connection; None: no SSH
    user: str = "root"
    sudo_asks: bool = False  # for a password, before it gives root rights

    @property
    def is_root(self) -> bool:
        return self.uid == 0


class Login(FactBase[LoggedIn]):
    """Who we are there, through which port we came (sudo would forget it), and what sudo needs.

    Sudo's answer is its exit status: its words are in the host's language.
    """

    def command(self) -> str:
        return (
            'id -u; echo "${SSH_CONNECTION##* }"; id -un; '
            '[ "$(id -u)" = 0 ] || sudo -n -k sh -c : 2>/dev/null || echo asks'
        )

    def process(self, output: list[str]) -> LoggedIn:
        uid, port, user, sudo = (*output, *[""] * 3)[:4]
        return LoggedIn(int(uid), int(port) if port.isdigit() else None, user, sudo == "asks")


class Observation(FactBase[HostState | None]):
    """Everything the deploy decides by, in one round trip."""

    def command(self, variables: Mapping[str, str]) -> StringCommand:
        assignments = [f"{name}={shlex.quote(value)}" for name, value in variables.items()]
        return StringCommand("\n".join([*assignments, _script()]))

    def process(self, output: list[str]) -> HostState:
        try:
            return parse(HostState, output)
        except (ValueError, KeyError, IndexError) as error:
            raise FactProcessError(f"cannot read the host's state: {error!r}") from error


def _download(url: str, then: str) -> StringCommand:
    """Fetch through apt's own methods, proxies included, and do something with `$file`."""
    return StringCommand(
        "directory=$(mktemp -d) && chmod 755 $directory && file=$directory/file;",
        "/usr/lib/apt/apt-helper -q download-file",
        QuoteString(url),
        f"$file >/dev/null 2>&1 && {then};",
        "rm -rf $directory; true",
    )


class SigningKey(FactBase[bytes | None]):
    """The keyring at a URL, as the host gets it; of what is too large for one, the beginning."""

    def command(self, url: str) -> StringCommand:
        return _download(url, f"head -c {openpgp.LARGEST + 1} $file | base64 -w 0")

    def process(self, output: list[str]) -> bytes | None:
        try:
            return base64.b64decode("".join(output), validate=True) or None
        except binascii.Error:
            return None


class Downloadable(FactBase[bool]):
    """Whether the host gets a file from a URL."""

    def command(self, url: str) -> StringCommand:
        return _download(url, "echo yes")

    def process(self, output: list[str]) -> bool:
        return output == ["yes"]


class SettingsCheck(FactBase[list[str]]):
    """What the installed host tool says about the settings on stdin; nothing when they are good.

    It also tries the local additions and the complete configuration with nginx and Synapse.
    """

    def command(self) -> StringCommand:
        return StringCommand(
            "umask 077; file=$(mktemp) && cat >$file;",
            "altpeter-matrix check --settings $file 2>&1 >/dev/null ||",
            'echo "exit $?"; rm -f $file; true',
        )

    @staticmethod
    def default() -> list[str]:
        return []

    def process(self, output: list[str]) -> list[str]:
        if not any(line.startswith("exit ") for line in output):
            return []
        return [line for line in output if not line.startswith("exit ")] or output


@cache
def _script() -> str:
    """All that look at the host, without comments and empty lines: it travels with every run."""
    files = [_HERE / "observe.sh", *sorted(_HERE.glob("*.observe.sh"))]
    lines = [line for file in files for line in file.read_text(encoding="utf-8").splitlines()]
    code = [line for line in lines if line.strip() and not line.startswith("#")]
    return "\n".join([*code, "echo yes | tell end"])
