"""Which ports of a host another one finds open."""

from xml.etree import ElementTree

from tests.hosts.lab import Host

OPEN = {22, 80, 443, 8448}


def open_ports(scanner: Host, address: str) -> set[int]:
    """The TCP ports, of all 65535, that accept a connection.

    On a busy machine a scan in a hurry loses some answers: what is to be open is asked once more.
    """
    hurried = ("-p-", "-T4", "--min-rate", "20000", "--max-retries", "1")
    patient = ("-p", ",".join(map(str, sorted(OPEN))))
    return scan(scanner, address, *hurried) | scan(scanner, address, *patient)


def scan(scanner: Host, address: str, *how: str) -> set[int]:
    """The ports that nmap finds open."""
    family = ["-6"] if ":" in address else []
    argv = ["nmap", *family, "-n", "-Pn", *how, "-oX", "-", address]
    report = ElementTree.fromstring(scanner.run(*argv, timeout=600).stdout)
    ports = report.iter("port")
    return {int(port.attrib["portid"]) for port in ports if state_of(port) == "open"}


def state_of(port: ElementTree.Element) -> str | None:
    state = port.find("state")
    return None if state is None else state.get("state")
