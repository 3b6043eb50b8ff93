"""What DNS says of this server's names. Nobody's zone is changed: the host has another resolver."""

from collections.abc import Mapping

from . import Made
from .another_machine import RESOLVER_BACK, SETTINGS_BACK, resolver_says, with_settings


def _said(*records: str) -> Made:
    return Made(resolver_says(*records), cure=RESOLVER_BACK, daily=True)


MADE: Mapping[str, Made] = {
    "resolver-dead": Made(
        "cp /etc/resolv.conf /root/resolv.conf; echo nameserver 127.0.0.1 >/etc/resolv.conf",
        cure=RESOLVER_BACK,
    ),
    "dns-name-missing": _said("$name="),
    "dns-leads-elsewhere": _said("$name=$other4", "$name=$own6"),
    "dns-ipv6-leads-elsewhere": _said("$name=$own4", "$name=$other6"),
    "dns-service-record-missing": Made(
        with_settings("settings['federation'].update(delegation='srv', port_8448=False)"),
        cure=SETTINGS_BACK,
        daily=True,
    ),
}
NOT_MADE: Mapping[str, str] = {}
