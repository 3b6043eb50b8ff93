"""Whether people can be told: by what the last attempt has left."""

from collections.abc import Mapping

from . import Made

_RECORD = "/var/lib/altpeter-matrix/notify.json"


def _failing(way: str) -> str:
    content = (
        f'{{"format": 1, "known": [], "ways": {{"{way}": {{"failing": "refused", "waiting": []}}}},'
        ' "daily": 0, "busy": 0}'
    )
    return f"echo '{content}' >{_RECORD}"


# tests/hosts/test_watching.py has ways that fail by themselves, and work again.
MADE: Mapping[str, Made] = {
    "notify-mail-failed": Made(_failing("mail to admin@example.org"), cure=f"rm {_RECORD}"),
    "notify-webhook-failed": Made(_failing("webhook at ntfy.example.org"), cure=f"rm {_RECORD}"),
}
NOT_MADE: Mapping[str, str] = {}
