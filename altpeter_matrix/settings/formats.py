"""The formats that settings.schema.json names: each check raises ValueError with the remedy.

The message reads on from the value: `"50 megs"` + ` is not a size; write 50M`.
"""

import re
from collections.abc import Iterator
from email.utils import parseaddr
from ipaddress import ip_address
from pathlib import PurePosixPath
from urllib.parse import urlsplit

from .remedies import Check, NotInFormat, dns_form, is_line, visible
from .user_ids import LONGEST_USER_ID, is_user_id

_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", re.IGNORECASE | re.ASCII)
_POSTGRESQL_NAME = re.compile(r"[a-z_][a-z0-9_]{0,62}")
_MAIL_LOCAL_PART = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}")  # RFC 5321, section 4.5.3
_LONGEST_MAIL_ADDRESS = 254
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"')
# The Matrix specification bounds a server name at 230 characters (appendices, "Server Name").
_LONGEST_SERVER_NAME = 230
_LONGEST_LABEL = 63
_LONGEST_DNS_NAME = 253
# limits.h: what Linux takes as a path and as one name in it.
_LONGEST_PATH, _LONGEST_FILE_NAME = 4095, 255


def check_dns_name(value: str) -> None:
    """A host name that a public certificate can cover and a user ID can carry."""
    if value.startswith("*."):
        raise ValueError("is a wildcard; list each host name, as in matrix.example.org")
    what, general = _no_dns_name(value) or ("", "")
    if what:
        near = list(_near_names(value))
        raise NotInFormat(what, check_dns_name, (*near, *map(dns_form, near)), general)


def _no_dns_name(value: str) -> tuple[str, str] | None:
    """What keeps this from being one, and what a good one looks like."""
    letters = "letters, digits, hyphens and dots, as in matrix.example.org"
    labels = value.split(".")
    longest = max(map(len, labels))
    reasons = (
        ("/" in value, "is an address, not a host name", "example.org"),
        (
            _is_ip_address(value.strip("[]")),
            "is an IP address",
            "a host name such as matrix.example.org",
        ),
        (re.fullmatch(r".*:[0-9]+", value, re.DOTALL), "has a port", letters),
        (value != visible(value), "has white space or characters that do not show", letters),
        (
            not value.isascii(),
            "has letters beyond ASCII",
            "its DNS form, as in xn--bcher-kva.example",
        ),
        (value.endswith("."), "ends in a dot", letters),
        (
            longest > _LONGEST_LABEL,
            f"has {longest} characters between two dots, of which DNS allows {_LONGEST_LABEL}",
            letters,
        ),
        (
            len(value) > _LONGEST_SERVER_NAME,
            f"has {len(value)} characters, of which Matrix allows a server {_LONGEST_SERVER_NAME}",
            letters,
        ),
        (not all(map(_LABEL.fullmatch, labels)), "is not a host name", letters),
        (
            len(labels) == 1 or labels[-1].isdigit(),
            "has no domain",
            "the full name, as in matrix.example.org",
        ),
    )
    return next(((what, general) for wrong, what, general in reasons if wrong), None)


def _near_names(value: str) -> Iterator[str]:
    """The host name in what else people write: an address, a port, a dot, a space."""
    name = re.sub(r"^[a-z]+://", "", visible(value), flags=re.IGNORECASE).partition("/")[0]
    name = re.sub(r":[0-9]*$", "", name).rstrip(".")
    if "*" not in name:
        yield name


def _is_ip_address(value: str) -> bool:
    try:
        ip_address(value)
    except ValueError:
        return False
    return True


def check_host(value: str) -> None:
    """A host as a program connects to it: a name, localhost included, or an address."""
    labels = value.split(".")
    is_name = all(map(_LABEL.fullmatch, labels)) and len(value) <= _LONGEST_DNS_NAME
    if _is_ip_address(value) or (is_name and not labels[-1].isdigit()):
        return
    bare = re.sub(r"^\[(.*)\](:[0-9]+)?$", r"\1", visible(value))
    near = (bare, *_near_names(bare), *map(dns_form, _near_names(bare)))
    example = "a host name or an IP address, without a port, as in smtp.example.org"
    raise NotInFormat("is not a host", check_host, near, example)


def check_email_address(value: str) -> None:
    """An address such as admin@example.org."""
    local, _, domain = value.rpartition("@")
    if not (
        _MAIL_LOCAL_PART.fullmatch(local)
        and _is_mail_domain(domain)
        and len(value) <= _LONGEST_MAIL_ADDRESS
    ):
        near = visible(value).removeprefix("mailto:")
        raise NotInFormat(
            "is not an e-mail address",
            check_email_address,
            (near, parseaddr(near)[1]),
            "admin@example.org",
        )


def check_mailbox(value: str) -> None:
    """What a From header holds: `Name <address>`, or an address alone."""
    problem = _no_mailbox(value)
    if problem:
        raise NotInFormat(
            problem, check_mailbox, _near_mailbox(value), "Matrix <noreply@example.org>"
        )


def _no_mailbox(value: str) -> str | None:
    _, address = parseaddr(value)
    try:
        check_email_address(address)
    except ValueError:
        return "is not a sender"
    name = value.removesuffix(f"<{address}>").strip()
    if value == address:
        return None
    if not is_line(value) or not value.endswith(f"<{address}>"):
        return "is not one sender"
    if '"' in name and not _QUOTED.fullmatch(name):
        return "has a quotation mark without the other"
    # Synapse formats the sender with Python's % operator: %(app)s becomes app_name.
    if "%" in value.replace("%(app)s", ""):
        return "has a % that Synapse would take for a placeholder"
    return None


def _near_mailbox(value: str) -> Iterator[str]:
    """Whoever has a comma or a dot in the name needs quotes there (RFC 5322, section 3.2.4)."""
    match = re.fullmatch(r"\s*(.*?)\s*<([^<>]*)>\s*", value)
    if match and "%" not in value:
        address = visible(match[2])
        yield f"{match[1]} <{address}>"
        plain = match[1].replace('"', "").replace("\\", "")
        yield f'"{plain}" <{address}>'
    yield visible(value)


def _is_mail_domain(domain: str) -> bool:
    labels = domain.split(".")
    return len(labels) > 1 and all(_LABEL.fullmatch(label) for label in labels)


def check_https_url(value: str) -> None:
    """An address that begins with https://."""
    _check_url(value, ("https",), check_https_url, "https://example.org")


def check_http_url(value: str) -> None:
    """An address that begins with http:// or https://."""
    _check_url(value, ("https", "http"), check_http_url, "https://example.org/debian")


def _check_url(value: str, schemes: tuple[str, ...], check: Check, example: str) -> None:
    what = f"is not an address with {' or '.join(schemes)}"
    try:
        parts = urlsplit(value)
        host, _port = parts.hostname, parts.port
        check_host(host or "")
    except ValueError:
        raise NotInFormat(what, check, _near_urls(value), example) from None
    if parts.scheme not in schemes or not re.fullmatch(r"[!-~]+", value):
        raise NotInFormat(what, check, _near_urls(value), example)
    if parts.username is not None:
        raise NotInFormat("holds a user name", check, _near_urls(value), example)


def _near_urls(value: str) -> Iterator[str]:
    scheme, separator, rest = visible(value).rpartition("://")
    if scheme.lower() in {"", "http", "https"}:
        host, slash, path = rest.partition("/")
        host = dns_form(host.rpartition("@")[2])
        yield f"https{separator or '://'}{host}{slash}{path}"


def check_absolute_path(value: str) -> None:
    """The full path of a file or directory."""
    path = PurePosixPath(value)
    what = ""
    if not path.is_absolute() or str(path) != value or ".." in path.parts or not is_line(value):
        what = "is not a full path"
    elif len(value.encode()) > _LONGEST_PATH:
        what = f"is longer than the {_LONGEST_PATH} bytes of a path"
    elif max(len(part.encode()) for part in path.parts) > _LONGEST_FILE_NAME:
        what = f"has a name in it that is longer than {_LONGEST_FILE_NAME} bytes"
    if what:
        near = str(PurePosixPath("/", value.strip())) if value.strip().startswith("/") else ""
        example = "it from / on, without a slash at its end, as in /var/lib/matrix"
        raise NotInFormat(what, check_absolute_path, (near,), example)


def check_matrix_user_id(value: str) -> None:
    """A Matrix user ID."""
    server = value.partition(":")[2]
    host, colon, port = server.partition(":")
    try:
        check_dns_name(host)
        good = is_user_id(value) and (not colon or port.isdecimal())
    except ValueError:
        good = False
    if not good:
        what = "is not a Matrix user ID"
        if len(value.encode(errors="replace")) > LONGEST_USER_ID:
            what = f"is longer than the {LONGEST_USER_ID} bytes of a user ID"
        local, _, domain = visible(value).partition("@")
        near = (f"@{local}:{domain}",)
        raise NotInFormat(what, check_matrix_user_id, near, '"@admin:example.org"')


def check_postgresql_name(value: str) -> None:
    """A name that PostgreSQL takes without quotes and that no other database has by default."""
    if not _POSTGRESQL_NAME.fullmatch(value):
        raise ValueError(
            "is not a database name; write lower-case letters, digits and _, as in synapse"
        )
    if value in {"postgres", "template0", "template1"}:
        raise ValueError("is PostgreSQL's own database; write another name, as in synapse")


def check_port_rule(value: str) -> None:
    """A port to open, as `3478/udp`; whether there is such a port is a rule's business."""
    if not re.fullmatch(r"[1-9][0-9]{0,4}/(tcp|udp)", value):
        near = visible(value).lower()
        raise NotInFormat(
            "is not in the right form",
            check_port_rule,
            (near, near.replace(":", "/")),
            "PORT/tcp or PORT/udp, as in 3478/udp",
        )


def check_fingerprint(value: str) -> None:
    """The fingerprint of an OpenPGP key of version 4."""
    if not re.fullmatch(r"[0-9A-F]{40}", value):
        newer = re.fullmatch(r"[0-9A-Fa-f]{64}", value)
        raise NotInFormat(
            "is of a v6 key, which gpgv does not know" if newer else "is not in the right form",
            check_fingerprint,
            (visible(value).upper().removeprefix("0X").replace(":", ""),),
            "40 digits and letters from A to F, without spaces, "
            "as in AAF9AE843A7584B5A3E4CD2BCF45A512DE2DA058",
        )


def check_line(value: str) -> None:
    """A text of one line, as a header of a mail or a login can hold it."""
    if not is_line(value):
        shown = " ".join("".join(c if is_line(c) else " " for c in value).split())
        raise NotInFormat(
            "is more than one line, or has characters that do not show",
            check_line,
            filter(None, [shown]),
            "one line of text, as in Matrix",
        )
