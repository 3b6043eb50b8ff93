"""The four ways to upgrade, each with what was asked; two of them go to another release, too."""

import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from tests.hosts.lab import Host
from tests.hosts.terminal import converse

from .cells import Way
from .release import follow_trixie, full_upgrade

GO_ON = r"\[Y/n\] "
CONFFILE = r"\(Y/I/N/O/D/Z\) \[default=N\] \? "
# What libc6 and postgresql ask everybody who has PostgreSQL and goes on to another release. Two of
# the three reset debconf's "seen" first, so that no answer given before would count.
GLIBC = r"(upgrade glibc now|during package upgrades without asking)\? \[yes/no\] ?"
MOVE_CLUSTER = r"Upgrade PostgreSQL cluster 15/main to 17\? \[yes/no\] ?"
OF_A_RELEASE = {GLIBC: "yes", MOVE_CLUSTER: "no"}
# What dpkg says instead of asking when nobody is there.
NOBODY = "end of file on stdin at conffile prompt"
UNATTENDED_LOG = "/var/log/unattended-upgrades/unattended-upgrades-dpkg.log"


@dataclass(frozen=True)
class Done:
    """How an upgrade went."""

    ok: bool
    questions: int  # but for apt's own "go on?" and those OF_A_RELEASE, where it is one
    output: str


def at_terminal(
    host: Host, command: str = "upgrade", debians_own: Mapping[str, str] = MappingProxyType({})
) -> Done:
    """A person who says yes to apt and, if it comes to that, keeps the own conffile.

    debians_own: what to answer to questions that do not count.
    """
    expected = {GO_ON: "y", **debians_own}
    talk = converse(
        host,
        f"DEBIAN_FRONTEND=readline apt -o Dpkg::Progress-Fancy=0 {command}",
        {**expected, CONFFILE: "N"},
    )
    return Done(True, sum(asked not in expected for asked in talk.questions), talk.screen)


def with_closed_stdin(host: Host) -> Done:
    """A script that cannot answer; debconf's own frontend, as in cron."""
    done = host.sh("apt-get -y -q --allow-downgrades upgrade <&- 2>&1", check=False, timeout=600)
    return Done(done.returncode == 0, done.stdout.count(NOBODY), done.stdout)


def unattended(host: Host) -> Done:
    """The real unattended-upgrade; it exits with 0 also when it holds a package back."""
    host.sh(f"rm -f {UNATTENDED_LOG}")
    done = host.sh("unattended-upgrade --debug </dev/null 2>&1", check=False, timeout=600)
    log = host.sh(f"cat {UNATTENDED_LOG} 2>/dev/null || true").stdout
    output = f"{done.stdout}\n{log}"
    return Done(done.returncode == 0, output.count(NOBODY), output)


def to_trixie_at_terminal(host: Host) -> Done:
    """The same person, who upgrades to Debian 13 and reboots."""
    follow_trixie(host)
    done = at_terminal(host, "full-upgrade", OF_A_RELEASE)
    host.reboot()
    return done


def to_trixie_with_closed_stdin(host: Host) -> Done:
    """The same script, which upgrades to Debian 13 and reboots."""
    follow_trixie(host)
    ok, output = full_upgrade(host)
    host.reboot()
    return Done(ok, output.count(NOBODY), output)


def by_deploy(deploy: Callable[[], "subprocess.CompletedProcess[str]"]) -> Done:
    """The public pyinfra command."""
    done = deploy()
    return Done(done.returncode == 0, 0, f"{done.stdout}\n{done.stderr}")


WAYS: Mapping[Way, Callable[[Host], Done]] = {
    Way.TERMINAL: at_terminal,
    Way.CLOSED: with_closed_stdin,
    Way.UNATTENDED: unattended,
}
# unattended-upgrades never leaves a release, and neither does the deploy.
RELEASE_WAYS: Mapping[Way, Callable[[Host], Done]] = {
    Way.TERMINAL: to_trixie_at_terminal,
    Way.CLOSED: to_trixie_with_closed_stdin,
}
