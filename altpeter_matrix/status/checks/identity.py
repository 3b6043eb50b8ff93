"""What makes this server the one that others know, and what only it has: keys and media."""

import base64
import os
from collections.abc import Iterator
from pathlib import Path

from ...base import untrusted_files
from ...base.accounts import SYNAPSE_USER
from ...base.commands import run
from ...postgresql.connection import Statement, as_synapse
from ...synapse import config_files, health
from .. import looks
from ..check import Check
from ..found import Found, found
from ..view import View
from .configuration import NO_FILES
from .postgresql import NO_DATABASE

# An Ed25519 private key in PKCS 8, before its 32 bytes (RFC 8410, section 7).
_PKCS8 = bytes.fromhex("302e020100300506032b657004220420")
_MEDIA = Statement(
    "select exists (select 1 from local_media_repository where url_cache is null"
    " and quarantined_by is null)"
)


def signing_key(view: View) -> Iterator[Found]:
    file = config_files.signing_key(view.paths)
    if untrusted_files.content(view.paths, file) is None:
        yield found("signing-key-missing", file=file)


def signing_key_in_use(view: View) -> Iterator[Found]:
    """Whether Synapse signs with the key in the file: else it would be another one at its next
    start, and others would not believe what it signs."""
    file = config_files.signing_key(view.paths)
    content = untrusted_files.content(view.paths, file)
    if content is None:
        return
    port = view.shared(looks.settings).listener.port
    answer = health.get("localhost", "/_matrix/key/v2/server", port=port, tls=False).json()
    served = answer.get("verify_keys", {}) if isinstance(answer, dict) else {}
    in_file = dict(public_keys(content.decode(errors="replace")))
    in_use = {name: str(one.get("key", "")).rstrip("=") for name, one in served.items()}
    if in_use and in_file and in_use != in_file:
        yield found("signing-key-changed", file=file)


def public_keys(text: str) -> Iterator[tuple[str, str]]:
    """Each key of a signing key file (`ed25519 VERSION SEED`): its name, and its public half."""
    for line in text.splitlines():
        words = line.split()
        if len(words) == 3 and words[0] == "ed25519":
            seed = base64.b64decode(f"{words[2]}===")
            pem = base64.b64encode(_PKCS8 + seed).decode()
            armoured = f"-----BEGIN PRIVATE KEY-----\n{pem}\n-----END PRIVATE KEY-----\n"
            shown = run("openssl", "pkey", "-pubout", "-outform", "PEM", input=armoured)
            der = base64.b64decode("".join(shown.stdout.splitlines()[1:-1]))
            yield f"ed25519:{words[1]}", base64.b64encode(der[-32:]).decode().rstrip("=")


def media_place(view: View) -> Path | None:
    # As Synapse merges its files: the packaged one names it, another of yours may.
    wanted = config_files.files(view.paths)
    place = config_files.merged(view.paths, wanted).get("media_store_path")
    return view.paths.on_host(str(place)) if place else None


def media(view: View) -> Iterator[Found]:
    place = view.shared(media_place)
    if place is None:
        return
    found_there: list[bool] = untrusted_files.as_user(
        view.paths, lambda: [place.is_dir(), os.access(place, os.W_OK | os.R_OK | os.X_OK)]
    )
    is_there, usable = found_there
    if not is_there and not place.is_dir():
        yield found("media-store-missing", place=place, user=SYNAPSE_USER)
    elif not usable:
        yield found("media-store-not-writable", place=place, user=SYNAPSE_USER)


def media_content(view: View) -> Iterator[Found]:
    """Whether it is the store of this database: an empty directory is where a disk is not
    mounted."""
    place, database = view.shared(media_place), view.shared(looks.database)
    if place is None or database is None or view.shared(looks.cluster) is None:
        return
    if not (place / "local_content").is_dir():
        [[[uploaded]]] = as_synapse(database, _MEDIA)
        if uploaded is True:
            yield found("media-store-empty", place=place)


CHECKS = (
    Check(
        "the signing key",
        signing_key,
        ("signing-key-missing",),
        unless=("synapse-file-unusable", "never-applied"),
    ),
    Check(
        "the signing key in use",
        signing_key_in_use,
        ("signing-key-changed",),
        unless=(
            "synapse-file-unusable", "signing-key-missing", "settings-refused", "synapse-stopped",
            "synapse-down", "no-answer",
        ),
    ),
    Check(
        "media",
        media,
        ("media-store-missing", "media-store-not-writable"),
        unless=NO_FILES,
    ),
    Check(
        "media are there",
        media_content,
        ("media-store-empty",),
        unless=(*NO_FILES, "media-store-missing", "media-store-not-writable", *NO_DATABASE),
    ),
)  # fmt: skip
