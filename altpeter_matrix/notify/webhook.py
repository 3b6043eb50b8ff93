"""Posting to an address: as ntfy takes it, or one JSON document."""

import http.client
import json
import ssl
from collections.abc import Mapping
from urllib.parse import urlsplit

from ..base.errors import HostError, Problem
from ..base.paths import Paths
from ..base.redaction import HIDDEN
from ..base.text import visible
from ..base.time_limit import at_most
from ..settings.model import Settings, Webhook
from ..synapse import secrets_store
from .news import Message

_TIMEOUT = 20.0
# What is longer, ntfy makes a file of.
_MOST_TEXT = 4000
_MORE = "…\n`altpeter-matrix status` has the rest.\n"


def host_of(webhook: Webhook) -> str:
    """What tells it from another: the path may be what only its owner should know."""
    return urlsplit(webhook.url).netloc


def send(paths: Paths, settings: Settings, message: Message) -> None:
    """HostError when it was not taken. No redirect is followed: the token is for this address."""
    webhook = settings.notify.webhook
    if webhook is None:
        return
    token = secrets_store.webhook_token(paths, settings)
    body, headers = _ntfy(message) if webhook.format == "ntfy" else _json(message)
    if token is not None:
        if not token.isascii() or not token.isprintable():
            raise _failed(webhook, "the token in token_file has characters that no header can have")
        headers = {**headers, "Authorization": f"Bearer {token}"}
    try:
        status, said = _post(webhook.url, body, headers)
    except (OSError, http.client.HTTPException) as error:
        raise _failed(webhook, _hidden(f"{type(error).__name__}: {error}", token)) from None
    if not 200 <= status < 300:
        raise _failed(webhook, _hidden(f"answered {status}: {said}", token))


def _post(url: str, body: bytes, headers: Mapping[str, str]) -> tuple[int, str]:
    parts = urlsplit(url)
    connection = http.client.HTTPSConnection(
        parts.hostname or "", parts.port, timeout=at_most(_TIMEOUT),
        context=ssl.create_default_context(),
    )  # fmt: skip
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    try:
        ours = {"User-Agent": "altpeter-matrix", "Connection": "close"}
        connection.request("POST", target, body, {**ours, **headers})
        answer = connection.getresponse()
        said = answer.read(500).decode(errors="replace")
        return answer.status, " ".join(visible(said).split()) or answer.reason
    finally:
        connection.close()


def _ntfy(message: Message) -> tuple[bytes, Mapping[str, str]]:
    """https://docs.ntfy.sh/publish/: a text, and the rest in headers, which are ASCII."""
    text = message.text.encode(errors="replace")
    if len(text) > _MOST_TEXT:
        text = text[:_MOST_TEXT].decode(errors="ignore").encode() + _MORE.encode()
    return text, {
        "Content-Type": "text/plain; charset=utf-8",
        "Title": message.title.replace("…", "...").encode("ascii", "replace").decode(),
        "Priority": "high" if message.urgent else "default",
        "Tags": "warning" if message.urgent else "information_source",
    }


def _json(message: Message) -> tuple[bytes, Mapping[str, str]]:
    content = {
        "title": message.title,
        "text": message.text,
        "urgent": message.urgent,
        "news": [one.as_json() for one in message.news],
    }
    return json.dumps(content).encode(), {"Content-Type": "application/json"}


def _hidden(text: str, token: str | None) -> str:
    return text.replace(token, HIDDEN) if token else text


def _failed(webhook: Webhook, why: str) -> HostError:
    return HostError(
        Problem(
            f"webhook at {host_of(webhook)}", why,
            "correct notify.webhook in settings.yaml, then `altpeter-matrix notify test`",
        )
    )  # fmt: skip
