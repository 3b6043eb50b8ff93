"""Listeners that Synapse accepts and that nginx, or the firewall, would regret."""

from collections.abc import Iterator, Mapping
from ipaddress import ip_address
from typing import Any

from ..base.errors import Objection, error, warning


def listener_objections(place: str, listeners: Any, nginx_port: int) -> Iterator[Objection]:
    """Problems of the merged `listeners`.

    place: the file and key that they come from; nginx_port: the one nginx forwards to.
    """
    if not isinstance(listeners, list):
        return  # Synapse's own check says so
    found = [one for one in listeners if isinstance(one, Mapping)]
    if not any(_serves_nginx(one, nginx_port) for one in found):
        yield error(
            place,
            f"has no http listener for clients on 127.0.0.1:{nginx_port}, where nginx forwards",
            f"add one with port: {nginx_port}, bind_addresses: ['127.0.0.1'] and x_forwarded: true",
        )
    for number, listener in enumerate(found):
        where = f"{place}.{number}"
        yield from _mode(where, listener)
        yield from _exposed(where, listener)
        yield from _resources(where, listener, nginx_port)


def _serves_nginx(listener: Mapping[str, Any], port: int) -> bool:
    # Nothing is bound here: what somebody else's configuration binds is recognised.
    return (
        listener.get("port") == port
        and listener.get("type") == "http"
        and "client" in _names(listener)
        and any(
            address in {"127.0.0.1", "0.0.0.0", "::"}  # nosec B104
            for address in _addresses(listener)
        )
    )


def _names(listener: Mapping[str, Any]) -> list[str]:
    return [
        str(name)
        for resource in _items(listener.get("resources"))
        if isinstance(resource, Mapping)
        for name in _items(resource.get("names"))
    ]


def _items(value: Any) -> list[Any]:
    """A list as it is; whatever else stands there is for Synapse's own check."""
    return value if isinstance(value, list) else []


def _addresses(listener: Mapping[str, Any]) -> list[str]:
    """Where it binds; Synapse binds to everything when nothing is said."""
    addresses = list(_items(listener.get("bind_addresses")))
    if listener.get("bind_address"):
        addresses.append(listener["bind_address"])
    return [str(address) for address in addresses] or ["0.0.0.0", "::"]  # nosec B104


def _mode(where: str, listener: Mapping[str, Any]) -> Iterator[Objection]:
    mode = listener.get("mode")
    if mode is None:
        return
    # YAML 1.1 reads 0660 as octal, 660 as decimal and 0o660 as a text.
    if not isinstance(mode, int) or mode > 0o777:
        yield error(f"{where}.mode", f"{mode} is not read as octal", "write 0660")


def _exposed(where: str, listener: Mapping[str, Any]) -> Iterator[Objection]:
    if "path" in listener:
        return
    outside = [address for address in _addresses(listener) if not _is_loopback(address)]
    if outside:
        yield warning(
            f"{where}.bind_addresses",
            f"listens on {', '.join(outside)}, past nginx and without TLS",
            "write ['127.0.0.1'], unless other hosts must reach it",
        )


def _is_loopback(address: str) -> bool:
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return address == "localhost"


def _resources(where: str, listener: Mapping[str, Any], nginx_port: int) -> Iterator[Objection]:
    names = _names(listener)
    if "metrics" in names and ("client" in names or "federation" in names or "path" in listener):
        yield error(
            f"{where}.resources",
            "serves metrics beside the public API, or on a Unix socket",
            "use metrics.enabled in settings.yaml, which has a listener of its own",
        )
    if listener.get("port") == nginx_port and listener.get("x_forwarded") is not True:
        yield error(
            f"{where}.x_forwarded",
            "is not true, so Synapse takes every client for nginx",
            "add x_forwarded: true",
        )
