"""What gpg knows of keys and signatures, asked in a home directory that ends with the question.

gpg is the judge, as it checks what a key says of itself: an end or a subkey counts only if the key
has signed for it. apt's own verifiers (sqv on Debian 13, gpgv on 12) tell nobody when a key ends.
"""

import re
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ..base.commands import Result, run

# GnuPG's doc/DETAILS: what makes a key useless, whatever its end is (field 2).
_USELESS = frozenset("rdin")
_SIGNATURE = re.compile(
    r"^\[GNUPG:\] (?P<word>VALIDSIG|ERRSIG) (?P<first>\S+)(?: (?P<more>.*))?$", re.MULTILINE
)


@dataclass(frozen=True)
class SigningKey:
    """A key or subkey that may sign. expires: seconds since 1970; None: never."""

    fingerprint: str
    primary: str  # the fingerprint of the key that it belongs to
    expires: float | None
    useful: bool  # neither revoked nor badly bound


class Keyring:
    """Keys that were read from files, as far as gpg accepts them."""

    def __init__(self, home: Path) -> None:
        self._home = home

    def read(self, keys: Path) -> None:
        """Add the keys of a file, binary or in ASCII armour."""
        self._gpg("--import", keys)

    def signing_keys(self) -> tuple[SigningKey, ...]:
        listing = self._gpg("--list-keys").stdout
        return tuple(_signing_keys(listing.splitlines()))

    def signers(self, signed: Path) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """By whom a clear-signed file is: fingerprints of keys that are here; and the keys, by
        fingerprint or ID, that are not."""
        known, unknown = [], []
        for one in _SIGNATURE.finditer(self._gpg("--status-fd", "2", "--verify", signed).stderr):
            more = (one["more"] or "").split()
            if one["word"] == "VALIDSIG":
                known.append(one["first"])
            elif len(more) >= 5 and more[4] == "9":  # the key is missing
                unknown.append(more[5] if len(more) > 5 and more[5] != "-" else one["first"])
        return tuple(known), tuple(unknown)

    def certified_by(self, fingerprint: str, others: Iterable[str]) -> bool:
        """Whether one of the other keys has signed for this one's name."""
        # The whole list: asked for one key alone, GnuPG 2.2 does not find the others.
        made: dict[str, set[str]] = {}
        primary = ""
        for row in (
            line.split(":") for line in self._gpg("--check-signatures").stdout.splitlines()
        ):
            if row[0] == "pub":
                primary = row[4]
            elif row[0] == "sig" and row[1] == "!":
                made.setdefault(primary, set()).add(row[4])
        # By their IDs, the last sixteen digits, as 2.2 names no fingerprint everywhere.
        return not made.get(fingerprint[-16:], set()).isdisjoint(one[-16:] for one in others)

    def export(self, fingerprints: Iterable[str], *, armour: bool) -> bytes:
        """These keys with what they have signed for themselves, and nothing else."""
        target = self._home / "exported"
        target.unlink(missing_ok=True)
        how = ["--armor"] if armour else []
        self._gpg(
            *how, "--export-options", "export-minimal", "--output", target, "--export",
            *(f"{one}" for one in fingerprints),
        )  # fmt: skip
        return target.read_bytes() if target.exists() else b""

    def _gpg(self, *arguments: str | Path) -> Result:
        return run(
            "gpg", "--homedir", self._home, "--batch", "--no-tty", "--no-autostart", "--no-options",
            "--trust-model", "always", "--with-colons", "--fixed-list-mode", *arguments,
            check=False,
        )  # fmt: skip


@contextmanager
def keyring(*files: Path) -> Iterator[Keyring]:
    """The keys of some files; HostError when gpg is missing."""
    with tempfile.TemporaryDirectory(prefix="altpeter-matrix-gpg-") as home:
        made = Keyring(Path(home))
        for file in files:
            made.read(file)
        yield made


def _signing_keys(lines: Iterable[str]) -> Iterator[SigningKey]:
    """Of a listing with colons (GnuPG's doc/DETAILS)."""
    primary: list[str] = []
    row: list[str] = []
    owner, until = "", None
    for fields in (line.split(":") for line in lines):
        if fields[0] in {"pub", "sub"}:
            row = fields
            if fields[0] == "pub":
                primary, owner = fields, ""
                until = _time(fields[6])
        elif fields[0] == "fpr" and row:
            owner = owner or fields[9]
            # In capitals is what the whole key can do, in small letters what this one can.
            if "s" in row[11]:
                ends = [one for one in (until, _time(row[6])) if one is not None]
                useful = _USELESS.isdisjoint(row[1] + primary[1])
                yield SigningKey(fields[9], owner, min(ends, default=None), useful)
            row = []


def _time(text: str) -> float | None:
    return float(text) if text.isdigit() else None
