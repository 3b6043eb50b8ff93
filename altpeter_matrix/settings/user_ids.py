"""User IDs as Synapse makes them (Matrix specification, appendices, "User Identifiers").

Synapse's own rules for a new account: synapse.handlers.register.
"""

import re

from .remedies import NotInFormat

LONGEST_USER_ID = 255  # of the whole ID, @ and server name included

# This package's own accounts have names of at most so many characters (synapse/canary.py).
LONGEST_OWN_NAME = 29

_CHARACTERS = "lower-case letters, digits and . _ = - / +"
_LOCAL_PART = re.compile(r"[a-z0-9._=/+-]+")


def check_localpart(value: str) -> None:
    """The first part of a user ID that Synapse registers."""
    if not _LOCAL_PART.fullmatch(value) or value.startswith("_") or value.isdigit():
        local = value.strip().removeprefix("@").partition(":")[0].partition("@")[0].lower()
        raise NotInFormat(
            "is not a user name", check_localpart, (local,), f"{_CHARACTERS}, as in admin"
        )
    if len(value) > LONGEST_USER_ID - len("@:a.b"):
        raise ValueError(
            f"has {len(value)} characters, of which a user ID allows {LONGEST_USER_ID} with its"
            " server name; write a shorter one, as in admin"
        )


def is_user_id(value: str) -> bool:
    """Whether this has the form of a user ID; its server name is another's business."""
    local, colon, server = value.removeprefix("@").partition(":")
    return bool(
        value.startswith("@")
        and colon
        and server
        and _LOCAL_PART.fullmatch(local)
        and len(value) <= LONGEST_USER_ID
    )


def room_for_localpart(server_name: str) -> int:
    """How many characters a user name may have on this server."""
    return LONGEST_USER_ID - len(f"@:{server_name}")
