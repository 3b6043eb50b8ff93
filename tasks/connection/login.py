"""How the deploy reached a host, and as whom."""

from dataclasses import dataclass

from pyinfra.api import FactBase


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
