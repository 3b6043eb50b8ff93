"""The ways by which this host's settings have people told, besides the journal and the login."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from ..base.paths import Paths
from ..settings.model import Settings
from . import mail, webhook
from .news import Message
from .policy import Quiet, Rules

# Faults of the ways themselves, which are told by the others.
OWN_FAULTS = ("notify-mail-failed", "notify-webhook-failed")
_MAIL = "mail to "


@dataclass(frozen=True)
class Sender:
    """A way. send: raises HostError, SettingsError or OSError when it does not work."""

    name: str
    send: Callable[[Message], None]


def senders(paths: Paths, settings: Settings | None) -> tuple[Sender, ...]:
    """Those that there are. settings: None where they cannot be read."""
    return tuple(_senders(paths, settings))


def _senders(paths: Paths, settings: Settings | None) -> Iterator[Sender]:
    addresses = settings.notify.mail if settings else None
    if addresses is None:
        addresses = ("root",) if mail.sendmail_exists() else ()
    # Each for itself: who was mailed is not mailed again because of another who was refused.
    for address in addresses:
        yield Sender(f"{_MAIL}{address}", partial(mail.send, paths, settings, address))
    if settings and settings.notify.webhook:
        host = webhook.host_of(settings.notify.webhook)
        yield Sender(f"webhook at {host}", partial(webhook.send, paths, settings))


def is_mail(name: str) -> bool:
    """Whether the way of this name is mail."""
    return name.startswith(_MAIL)


def rules(settings: Settings | None) -> Rules:
    """When they are used."""
    if settings is None:
        return Rules()
    quiet = settings.notify.quiet
    hours = Quiet(*quiet.hours, quiet.errors) if quiet else None
    return Rules(hours, settings.notify.repeat)
