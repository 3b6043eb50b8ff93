"""The form in which a host tells what it is like, also when a stranger wrote some of it."""

import re
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.observe.host_state import Certificate, HostState, Listener, Package
from tasks.observe.observed import BEGIN, END, keys, parse
from tests.unit.deploy.fake_deploy import BARE, observation
from tests.unit.deploy.observe.observing import SCRIPTS


@pytest.mark.parametrize("without", ["begin yes$", END, "$"])
def test_an_observation_that_was_cut_off_is_no_observation(without: str) -> None:
    text = observation(BARE)
    assert parse(HostState, ["Welcome, end yes$", *text.splitlines()]).systemd
    with pytest.raises(ValueError, match=r"is not complete|is no observation"):
        parse(HostState, text.replace(without, "").splitlines())


@pytest.mark.parametrize("line", ["tool settled", "no-such-key yes$", "", "$", "tool$", "## tool"])
def test_what_is_not_in_the_grammar_is_no_observation(line: str) -> None:
    text = observation(BARE).replace(END, f"{line}\n{END}")
    with pytest.raises(ValueError, match="is no observation"):
        parse(HostState, text.splitlines())


def test_each_key_is_printed_and_read() -> None:
    """A new observation is a line that prints it and a field that reads it: none alone."""
    scripts = "".join(file.read_text() for file in SCRIPTS.glob("*observe.sh"))
    printed = set(re.findall(r"\btell ([a-z-]+)", scripts))
    assert printed == keys(HostState) | {"begin"}


HOSTILE = [
    b"\ntool settled$\nend yes$\n",
    b"\x1b[2J\x1b]0;owned\x07\x9b2J\r",
    b"\xff\xfe\xc3(\x00\x80",
    "Grün Ⅷ \u202e\u2028 \\033[2J \\ \\101 $ `id` %s".encode(),
    b"\\ntool settled$ \\c more",
    b"x" * 200_000,
]


@pytest.mark.parametrize("content", HOSTILE, ids=lambda content: repr(content[:20]))
def test_what_a_stranger_wrote_is_one_value_of_its_own_key(content: bytes, tmp_path: Path) -> None:
    """Through the shell, its pipes, and back: as text that can be shown, and nothing else."""
    file = tmp_path / "file"
    file.write_bytes(content)
    head = (SCRIPTS / "observe.sh").read_text()
    body = f'cat {file} | tell server-name\nline "$(tr -d "\\0" <{file})" | tell automatic\n'
    done = subprocess.run(
        ["sh", "-c", f"LOCK_TIMEOUT=0\n{head}{body}echo yes | tell end"],
        capture_output=True, check=True, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert done.stdout.isascii()
    assert set(done.stdout) <= {10, *range(32, 127)}
    state = parse(HostState, done.stdout.decode("ascii").splitlines())
    assert state.server_name == shown(content)[0].strip("'\"")
    # The shell itself cannot hold a NUL.
    assert state.automatic == set(shown(content.replace(b"\0", b"")))
    rest = replace(state, lock_holder=None, server_name=None, automatic=frozenset())
    assert rest == HostState()


def shown(content: bytes) -> list[str]:
    lines = [line.strip() for line in content.decode("utf-8", "replace").split("\n")]
    return ["".join(c if c.isprintable() else " " if c.isspace() else "\ufffd" for c in line)
            for line in lines if line]  # fmt: skip


@given(value=st.text(st.characters(codec="utf-8")), hidden=st.booleans())
@settings(max_examples=200, deadline=None, derandomize=True)
def test_a_value_comes_as_it_was(value: str, hidden: bool) -> None:
    plain = {byte: chr(byte) for byte in range(32, 127)} | {ord("\\"): r"\\"}
    escaped = "".join(
        f"\\{byte:03o}" if hidden else plain.get(byte, f"\\{byte:03o}") for byte in value.encode()
    )
    (found,) = parse(HostState, [BEGIN, f"automatic {escaped}$", END]).automatic
    assert len(found) == len(value.strip())
    assert all(
        one == was or not was.isprintable() for one, was in zip(found, value.strip(), strict=True)
    )


def test_values_of_a_deployed_host() -> None:
    sections = {
        **BARE,
        "packages": "nginx install ok installed 1.22.1-9\n"
        "ufw deinstall ok config-files 0.36\n"
        "certbot install reinstreq half-installed 2.1",
        "listening": "8008 python matrix-synapse.service\n22 sshd -",
        "server-name": "'example.org'",
        "certificate": "name Example.org\nvalid\nserver https://acme.example.org/dir",
        "ufw-live": "-N ufw-user-input\n"
        "-A ufw-user-input -p tcp -m tcp --dport 443 -j ACCEPT\n"
        "-A ufw-user-input -p tcp -m tcp --dport 22 -m conntrack -j ufw-user-limit-accept\n"
        "-A ufw-user-input -p tcp -m tcp --dport 25 -j DROP",
    }
    state = parse(HostState, observation(sections).splitlines())
    assert state.packages["nginx"] == Package("installed", "1.22.1-9", False)
    assert "ufw" not in state.packages
    assert state.unfinished == ("certbot",)
    assert state.listening[0] == Listener(8008, "python", "matrix-synapse.service")
    assert state.server_name == "example.org"
    assert state.certificate == Certificate(
        frozenset({"example.org"}), True, "https://acme.example.org/dir"
    )
    assert state.firewall.live_ports == {"443/tcp", "22/tcp"}
