"""An unchanged run of the deploy against an Ansible playbook that checks the same state."""

from __future__ import annotations

import shlex
import shutil

from tasks.base.paths import KEYRING, SETTINGS, SOURCES
from tests.hosts.lab import Host, LabError

from .ansible import Ansible
from .deploying import SERVER_NAME, Server, grand_total, our_package
from .result import Comparison, Count, Result
from .timing import alternately, seconds

LIMIT = 0.25
CONNECTIONS_LIMIT = 1
# What the playbook copies: the deploy's own files, so that both want the very same state.
COPIED = {"keyring": KEYRING, "sources": SOURCES, "settings": SETTINGS}


def measure(server: Server, pairs: int) -> list[Result]:
    """Time both on one deployed host, and count what our side does."""
    debian = server.host.debian
    name = f"unchanged run, Debian {debian}"
    ansible = prepare_ansible(server)
    # Brings over the package file, and opens the connection that Ansible then keeps.
    ansible.run()
    ansible.check_unchanged()
    prove_that_both_look(server, ansible)
    operations: list[int] = []
    connections: list[int] = []

    def ours() -> float:
        outputs: list[str] = []
        before = journal_cursor(server.host)
        took = seconds(lambda: outputs.append(server.deploy()))
        connections.append(accepted_connections(server.host, before))
        total, changed = grand_total(outputs[0])
        if changed:
            raise LabError(f"the second run changed {changed} operations\n{outputs[0]}")
        operations.append(total)
        return took

    measured = alternately(name, pairs, ours, lambda: seconds(ansible.check_unchanged))
    return [
        Comparison(name, *measured, LIMIT),
        Count(f"{name}: SSH connections", tuple(connections), CONNECTIONS_LIMIT),
        Count(f"{name}: operations", tuple(operations)),
    ]


def prepare_ansible(server: Server) -> Ansible:
    """Return the playbook with everything it needs to know of this host."""
    folder = server.lab.state / "ansible" / server.host.name
    files = folder / "files"
    shutil.rmtree(folder, ignore_errors=True)
    files.mkdir(parents=True)
    for name, path in COPIED.items():
        shutil.copyfile(server.host.root / path.lstrip("/"), files / name)
    package = our_package()
    shutil.copyfile(package, files / package.name)
    variables = {
        "server_name": SERVER_NAME,
        "files": str(files),
        "paths": COPIED,
        "package": package.name,
        "acme_directory": server.lab.services.acme_directory,
    }
    return Ansible.prepare(folder, server.host, variables)


def prove_that_both_look(server: Server, ansible: Ansible) -> None:
    """Spoil a file and see that both sides notice; a check that cannot fail measures nothing."""
    host = server.host
    host.sh(f"cp -p {SETTINGS} /root/kept && echo '# spoilt' >> {SETTINGS}")
    try:
        if ansible.run("--check")["changed"] == 0:
            raise LabError(f"the playbook did not notice that {SETTINGS} was spoilt")
        if not server.predicts_changes():
            raise LabError(f"the deploy did not notice that {SETTINGS} was spoilt")
    finally:
        host.run("mv", "/root/kept", SETTINGS)


def journal_cursor(host: Host) -> str:
    """Return the present end of the host's journal."""
    shown = host.run("journalctl", "--lines=0", "--show-cursor").stdout
    return shown.partition("cursor: ")[2].strip()


def accepted_connections(host: Host, cursor: str) -> int:
    """How many SSH logins sshd has accepted since, other than the one that asks."""
    script = f"""
        own=$(echo "$SSH_CONNECTION" | cut -d ' ' -f 2)
        journalctl --quiet --output=cat --after-cursor={shlex.quote(cursor)} |
            grep -E '^Accepted [a-z]+ for ' | grep -vc " port $own " || true
    """
    return int(host.sh(script).stdout)
