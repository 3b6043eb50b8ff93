"""The key that signs our repository, in a GnuPG home directory of its own."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from altpeter_matrix.base.errors import HostError, Problem
from scripts.programs import checked, run
from tasks.base.packages import PACKAGE

TOP = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Key:
    """What signs the repository: a secret key in a GnuPG home directory of its own."""

    home: Path
    fingerprint: str
    made_now: bool = False

    def public(self) -> str:
        """The public key, in armour: what hosts trust."""
        return _gpg(self.home, "--armor", "--export-options", "export-minimal", "--export",
                    self.fingerprint)  # fmt: skip

    def sign(self, text: str) -> str:
        """The text with its signature."""
        return _gpg(self.home, "--local-user", self.fingerprint, "--clearsign", text=text)


def signing_key(home: Path, wanted: str | None, repository: Path) -> Key:
    """The key to sign with, made on first use; HostError when it is unclear or unsafe which.

    home: the GnuPG home directory, outside of the repository, since that is served to everybody.
    wanted: the key's ID, when the home has several.
    """
    for public in (repository.resolve(), TOP):
        if home.resolve().is_relative_to(public):
            raise HostError(
                Problem(
                    f"REPO_KEY_HOME={home}",
                    f"is inside {public}, from where the secret key would get into other hands",
                    "name a directory elsewhere",
                )
            )
    if not home.exists():
        home.parent.mkdir(parents=True, exist_ok=True)
        home.mkdir(mode=0o700)
    if home.stat().st_mode & 0o077:
        raise HostError(
            Problem(str(home), "is open to other users", f"run `chmod 700 {home}`, and consider"
                    " whether somebody has copied the key")
        )  # fmt: skip
    found = _secret_keys(home, wanted)
    if len(found) > 1:
        raise HostError(
            Problem(str(home), f"has several keys: {', '.join(found)}", "name one with REPO_KEY")
        )
    if found:
        return Key(home, found[0])
    if wanted is not None:
        raise HostError(Problem(f"REPO_KEY={wanted}", f"is not in {home}", "correct one of them"))
    name = f"{PACKAGE} repository"
    _gpg(home, "--passphrase", "", "--quick-generate-key", name, "ed25519", "sign", "never")
    return Key(home, _secret_keys(home, None)[0], made_now=True)


def _secret_keys(home: Path, wanted: str | None) -> list[str]:
    """Fingerprints of the secret keys."""
    if wanted and run(["gpg", "--homedir", str(home), "--batch", "--list-secret-keys", wanted])[0]:
        return []
    listing = _gpg(home, "--with-colons", "--list-secret-keys", *([wanted] if wanted else []))
    # The first fingerprint after each secret key is its own, further ones are its subkeys'.
    return re.findall(r"^sec:.*?^fpr:+([0-9A-F]{40}):", listing, re.MULTILINE | re.DOTALL)


def _gpg(home: Path, *arguments: str, text: str = "") -> str:
    command = ["gpg", "--homedir", str(home), "--batch", "--quiet", "--no-tty", "--yes", *arguments]
    return checked(command, text=text)


@contextmanager
def no_agent_left(home: Path) -> Iterator[None]:
    """End the agent that gpg starts for its home, unless it was running before."""
    socket = ["gpg-connect-agent", "--homedir", str(home), "--no-autostart", "/bye"]
    before = home.exists() and run(socket)[0] == 0 and not run(socket)[2]
    try:
        yield
    finally:
        if home.exists() and not before:
            run(["gpgconf", "--homedir", str(home), "--kill", "gpg-agent"])
