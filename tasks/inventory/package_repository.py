"""The apt repository that the inventory names for our own package: one that `make repo` made."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from altpeter_matrix.base.errors import Problem, SettingsError

KEY_NAME = "altpeter-matrix.asc"  # of the public key, beside `dists`

_FIELDS = ("uri", "key_fingerprint", "key_url", "version")
_FINGERPRINT = re.compile(r"[0-9A-F]{40}")
_URI = re.compile(r"https?://[^\s/]+(/\S*)?")
# deb-version(7), with the revision that our versions always have.
_VERSION = re.compile(r"[0-9][0-9A-Za-z.+~]*-[0-9A-Za-z.+~]+")


@dataclass(frozen=True)
class PackageRepository:
    """Where hosts take our package from."""

    uri: str
    key_fingerprint: str
    key_url: str
    version: str | None = None  # keep exactly this one; None: the newest, and then all updates


def read_repository(raw: Any, where: str) -> PackageRepository:
    """The `package_repository` of an inventory; SettingsError names all that is wrong with it.

    where: how to call it in errors.
    """
    if not isinstance(raw, Mapping):
        raise SettingsError(
            Problem(
                where,
                f"is a {type(raw).__name__}, not a mapping",
                'write `package_repository = {"uri": "https://…", "key_fingerprint": "…"}`',
            )
        )
    problems = [
        Problem(f"{where}.{name}", "is unknown", f"write one of {', '.join(_FIELDS)}")
        for name in raw
        if name not in _FIELDS
    ]
    uri, fingerprint = raw.get("uri"), raw.get("key_fingerprint")
    key_url, version = raw.get("key_url"), raw.get("version")
    for name, value, form, remedy in (
        ("uri", uri, _URI, "write the address that `make repo` got, https://… or http://…"),
        (
            "key_fingerprint",
            fingerprint,
            _FINGERPRINT,
            "write the 40 digits and letters from A to F that `make repo` prints, without spaces",
        ),
        ("key_url", key_url, _URI, "write the address of the public key, or leave it out"),
        ("version", version, _VERSION, 'write one as in "0.1.0-1", or leave it out'),
    ):
        missing = value is None and name in {"uri", "key_fingerprint"}
        wrong = value is not None and not (isinstance(value, str) and form.fullmatch(value))
        if missing or wrong:
            what = "is missing" if missing else f"{value!r} is none"
            problems.append(Problem(f"{where}.{name}", what, remedy))
    if problems:
        raise SettingsError(problems)
    base = str(uri).rstrip("/")
    return PackageRepository(
        uri=base,
        key_fingerprint=str(fingerprint),
        key_url=str(key_url or f"{base}/{KEY_NAME}"),
        version=version,
    )
