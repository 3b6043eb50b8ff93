"""What checks make of what programs and the kernel say."""

import socket
import subprocess
import time
from dataclasses import replace
from pathlib import Path

import pytest

from altpeter_matrix.base.errors import HostError
from altpeter_matrix.base.time_limit import within
from altpeter_matrix.status.checks import identity, next_start, reach, resources, supervision
from altpeter_matrix.status.checks.reach import Seen
from altpeter_matrix.status.systemd import parse

from ..fake_host import FakeHost
from ..host_fixtures import serving
from .given import Given

__all__ = ["serving"]

WELL = [Seen("loopback", "127.0.0.1", port, "") for port in (443, 8448)]


def at(family: str, address: str, why: str = "") -> Seen:
    return Seen(family, address, 443, why)


@pytest.mark.parametrize(
    ("seen", "faults"),
    [
        ([at("IPv4", "192.0.2.1"), at("IPv6", "2001:db8::1")], []),
        ([at("IPv4", "192.0.2.1", "refused"), at("IPv6", "2001:db8::1")], ["not-served-outside"]),
        ([at("IPv4", "192.0.2.1"), at("IPv6", "2001:db8::1", "refused")], ["ipv6-not-served"]),
        (
            [at("IPv4", "192.0.2.1", "a"), at("IPv6", "2001:db8::1", "b")],
            ["not-served-outside", "ipv6-not-served"],
        ),
    ],
)
def test_what_serves_inside_has_to_serve_outside(seen: list[Seen], faults: list[str]) -> None:
    assert [one.id for one in reach.judged([*WELL, *seen])] == faults


def test_what_serves_nowhere_is_another_fault() -> None:
    dead = [Seen("loopback", "127.0.0.1", 443, "refused"), at("IPv4", "192.0.2.1", "refused")]
    assert list(reach.judged(dead)) == []


def test_an_address_where_nothing_listens_is_told_and_not_raised() -> None:
    assert reach.ask("127.0.0.1", 1, "example.org") == "Connection refused"


def test_who_is_slow_at_an_address_is_not_taken_for_nobody() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as slow,
        within(0.2),
        pytest.raises(HostError, match="no answer in time"),
    ):
        reach.ask("127.0.0.1", slow.getsockname()[1], "example.org")


def test_what_postgresql_says_loses_its_time() -> None:
    said = (
        "2026-11-29 15:00:00.000 UTC [7] LOG:  syntax error in file\n"
        "2026-11-29 15:00:00.000 UTC [7] FATAL:  configuration file contains errors\n"
    )
    assert next_start.why(said) == (
        "LOG:  syntax error in file | FATAL:  configuration file contains errors"
    )
    assert next_start.why("") == "it does not say why"


def test_the_public_half_of_a_signing_key() -> None:
    # RFC 8032, section 7.1, test 1.
    seed = "nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"
    [(name, key)] = identity.public_keys(f"ed25519 a_1 {seed}\n# nothing\n")
    assert (name, key) == ("ed25519:a_1", "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo")


def test_memory_as_the_kernel_tells_it() -> None:
    assert resources.kilobytes("MemTotal: 100 kB\nHugePages_Total: 0\nMemAvailable:  7 kB\n") == {
        "MemTotal": 100, "MemAvailable": 7,
    }  # fmt: skip


def test_a_process_with_as_many_files_as_it_may_have() -> None:
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None and process.stdout is not None
        # Once it answers, it has loaded its libraries.
        process.stdin.write(b"x\n")
        process.stdin.flush()
        process.stdout.readline()
        place = Path(f"/proc/{process.pid}")
        assert not resources.uses_up_its_files(place)
        files = len(list((place / "fd").iterdir()))
        subprocess.run(["prlimit", "--pid", str(process.pid), f"--nofile={files}"], check=True)
        assert resources.uses_up_its_files(place)
    assert not resources.uses_up_its_files(place)


def test_synapse_is_not_asked_again_about_what_it_began_with(serving: FakeHost) -> None:
    now = time.clock_gettime(time.CLOCK_MONOTONIC)
    unit = replace(parse("Id=matrix-synapse.service\nActiveState=active\n").popitem()[1], began=now)
    serving.write("etc/matrix-synapse/homeserver.signing.key", "key")

    def began_with(began: float) -> bool:
        answers = {supervision.programs: {"synapse": replace(unit, began=began)}}
        return next_start.began_with(Given(answers, serving.root), "matrix-synapse-py3")

    assert began_with(now + 5) and not began_with(now - 5) and not began_with(0.0)
    (serving.root / "etc/matrix-synapse/homeserver.signing.key").unlink()
    assert not began_with(now + 5)
