"""The formats that settings.schema.json names: each check raises ValueError with the remedy.

The message reads on from the value: `"50 megs"` + ` is not a size; write 50M`.
"""

import re
from collections.abc import Callable
from email.utils import parseaddr
from ipaddress import ip_address
from pathlib import PurePosixPath
from urllib.parse import urlsplit

DAYS = {"d": 1, "w": 7, "y": 365}
SIZE_UNITS = {"": 1, "K": 1024, "M": 1024**2, "G": 1024**3}

_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", re.IGNORECASE)
_LOCAL_PART = re.compile(r"[a-z0-9.=/+-][a-z0-9._=/+-]*")
_POSTGRESQL_NAME = re.compile(r"[a-z_][a-z0-9_]{0,62}")
_MAIL_LOCAL_PART = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+")
# The Matrix specification bounds a server name at 230 characters (appendices, "Server Name").
_LONGEST_SERVER_NAME = 230


def check_dns_name(value: str) -> None:
    """A host name that a public certificate can cover and a user ID can carry."""
    if "://" in value or "/" in value:
        raise ValueError(f"is an address, not a host name; write {_host_of(value)}")
    if is_ip_address(value):
        raise ValueError("is an IP address; write a host name such as matrix.example.org")
    host, colon, port = value.partition(":")
    if colon and port.isdigit():
        raise ValueError(f"has a port; write {host}")
    if value.endswith("."):
        raise ValueError(f"ends in a dot; write {value.rstrip('.')}")
    if not value.isascii():
        raise ValueError(f"has letters beyond ASCII; write its DNS form{_dns_form(value)}")
    if value.startswith("*."):
        raise ValueError("is a wildcard; list each host name")
    labels = value.split(".")
    if not all(_LABEL.fullmatch(label) for label in labels) or len(value) > _LONGEST_SERVER_NAME:
        raise ValueError(
            "is not a host name; write letters, digits, hyphens and dots, as in matrix.example.org"
        )
    if len(labels) == 1 or labels[-1].isdigit():
        raise ValueError("has no domain; write the full name, as in matrix.example.org")


def _host_of(address: str) -> str:
    """The host name in a web address, when it is one."""
    match = re.match(r"(?:[a-z]+://)?([a-z0-9-]+(?:\.[a-z0-9-]+)+)(?:[:/]|$)", address.lower())
    return match[1] if match else "example.org"


def _dns_form(value: str) -> str:
    try:
        return f", {value.encode('idna').decode()}"
    except UnicodeError:
        return " (xn--…)"


def is_ip_address(value: str) -> bool:
    """Whether this is an IPv4 or IPv6 address, with or without brackets."""
    try:
        ip_address(value.strip("[]"))
    except ValueError:
        return False
    return True


def check_host(value: str) -> None:
    """A host as a program connects to it: a name, localhost included, or an address."""
    if not is_ip_address(value) and not all(_LABEL.fullmatch(part) for part in value.split(".")):
        raise ValueError("is not a host; write a host name or an IP address, without a port")


def parse_size(value: str) -> int:
    """The number of bytes that `50M` means."""
    match = re.fullmatch(r"([1-9][0-9]{0,8})([KMG]?)", value)
    if match is None:
        near = re.match(r"\s*([1-9][0-9]{0,8})\s*([kmg]?)", value, re.IGNORECASE)
        example = f"{near[1]}{near[2].upper()}" if near else "50M"
        raise ValueError(f"is not a size; write {example}")
    return int(match[1]) * SIZE_UNITS[match[2]]


def parse_days(value: str) -> int:
    """The number of days that `90d`, `12w` or `1y` means."""
    match = re.fullmatch(r"([1-9][0-9]{0,5})([dwy])", value)
    if match is None:
        near = re.match(r"\s*([1-9][0-9]{0,5})\s*([dwy]?)", value, re.IGNORECASE)
        example = f"{near[1]}{near[2].lower() or 'd'}" if near else "90d"
        raise ValueError(f"is not a duration; write {example}")
    return int(match[1]) * DAYS[match[2]]


def check_email_address(value: str) -> None:
    """An address such as admin@example.org."""
    local, _, domain = value.rpartition("@")
    if not _MAIL_LOCAL_PART.fullmatch(local) or not _is_mail_domain(domain):
        raise ValueError("is not an e-mail address; write admin@example.org")


def check_mailbox(value: str) -> None:
    """What a From header holds: `Name <address>`, or an address alone."""
    example = "write Matrix <noreply@example.org>"
    _, address = parseaddr(value)
    try:
        check_email_address(address)
    except ValueError:
        raise ValueError(f"is not a sender; {example}") from None
    if "\n" in value or not (value == address or value.endswith(f"<{address}>")):
        raise ValueError(f"is not one sender; {example}")
    # Synapse formats the sender with Python's % operator: %(app)s becomes app_name.
    if "%" in value.replace("%(app)s", ""):
        raise ValueError(f"has a % that Synapse would take for a placeholder; {example}")


def _is_mail_domain(domain: str) -> bool:
    labels = domain.split(".")
    return len(labels) > 1 and all(_LABEL.fullmatch(label) for label in labels)


def check_https_url(value: str) -> None:
    """An address that begins with https://."""
    _check_url(value, ("https",), "https://example.org")


def check_http_url(value: str) -> None:
    """An address that begins with http:// or https://."""
    _check_url(value, ("https", "http"), "https://example.org/debian")


def _check_url(value: str, schemes: tuple[str, ...], example: str) -> None:
    try:
        parts = urlsplit(value)
        host, _port = parts.hostname, parts.port
        check_host(host or "")
    except ValueError:
        host = None
    if host is None or parts.scheme not in schemes or not re.fullmatch(r"[!-~]+", value):
        raise ValueError(f"is not an address with {' or '.join(schemes)}; write {example}")
    if parts.username is not None:
        raise ValueError(f"holds a user name; write {example}")


def check_absolute_path(value: str) -> None:
    """The full path of a file or directory."""
    path = PurePosixPath(value)
    if not path.is_absolute() or str(path) != value or ".." in path.parts or "\n" in value:
        raise ValueError("is not a full path; write it from / on, without a slash at its end")


def check_matrix_user_id(value: str) -> None:
    """A Matrix user ID."""
    local, colon, server = value.removeprefix("@").partition(":")
    try:
        check_dns_name(server.partition(":")[0])
    except ValueError:
        colon = ""
    if not (value.startswith("@") and colon and _LOCAL_PART.fullmatch(local.lstrip("_") or local)):
        raise ValueError("is not a Matrix user ID; write @admin:example.org")


def check_localpart(value: str) -> None:
    """The first part of a user ID that Synapse registers (it refuses digits alone)."""
    if not _LOCAL_PART.fullmatch(value) or value.isdigit():
        raise ValueError(
            "is not a user name; write lower-case letters, digits and . _ = - / +, as in admin"
        )


def check_postgresql_name(value: str) -> None:
    """A name that PostgreSQL takes without quotes and that no other database has by default."""
    if not _POSTGRESQL_NAME.fullmatch(value):
        raise ValueError(
            "is not a database name; write lower-case letters, digits and _, as in synapse"
        )
    if value in {"postgres", "template0", "template1"}:
        raise ValueError("is PostgreSQL's own database; write another name, as in synapse")


CHECKS: dict[str, Callable[[str], object]] = {
    "absolute-path": check_absolute_path,
    "dns-name": check_dns_name,
    "duration": parse_days,
    "email-address": check_email_address,
    "host": check_host,
    "http-url": check_http_url,
    "https-url": check_https_url,
    "localpart": check_localpart,
    "mailbox": check_mailbox,
    "matrix-user-id": check_matrix_user_id,
    "postgresql-name": check_postgresql_name,
    "size": parse_size,
}
