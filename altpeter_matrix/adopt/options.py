"""What an adoption does with each option of a hand-made server: pure functions.

Each difference between the configuration before and the one after is either carried over (into
synapse.d or a file of secrets), announced, or stops the adoption. Nothing is dropped in silence.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..base.errors import Problem
from ..synapse.secrets_store import GENERATED as SECRETS
from .comparison import DEFAULTS, KEPT_DEFAULTS, Options, same, shown

_HOMESERVER = "/etc/matrix-synapse"

# Options that this package sets in another way; each is announced.
ANNOUNCED = {
    "log_config": "Synapse logs to the journal; log_level in settings.yaml",
    "listeners": "nginx reaches Synapse on 127.0.0.1 only, as before",
}
_MISSING = object()
# What our hardening of Synapse's unit hides from it (files/systemd).
_HIDDEN = ("/home/", "/root/", "/run/user/")
_READ_ONLY = ("/boot/", "/etc/", "/usr/")
_WORKERS = (
    "federation_sender_instances", "instance_map", "pusher_instances", "stream_writers",
    "worker_app", "worker_listeners", "worker_name",
)  # fmt: skip


@dataclass(frozen=True)
class Known:
    """What was found on the host."""

    options: Options = field(repr=False)  # in force now
    packaged: Options  # those of the pristine homeserver.yaml
    names: frozenset[str]  # that nginx serves Synapse under
    ports: frozenset[int]  # of these sites
    documents: Mapping[str, Any]  # well-known documents that are published now, by name


@dataclass(frozen=True)
class Change:
    """A difference that an administrator is told of before it happens."""

    key: str
    before: str
    after: str
    why: str = ""

    def __str__(self) -> str:
        return f"{self.key}: {self.before} -> {self.after}" + (f" ({self.why})" if self.why else "")


@dataclass(frozen=True)
class Division:
    """How the options are divided."""

    carried: Options = field(repr=False)
    changes: tuple[Change, ...]
    problems: tuple[Problem, ...]


def divide(known: Known, generated: Options) -> Division:
    """Which options are carried over, which changes are announced, what stops the adoption.

    generated: what this package sets by the settings.
    """
    old = known.options
    new = {**known.packaged, **generated}
    carried = {
        key: value
        for key, value in old.items()
        if key not in {"server_name", "report_stats", *SECRETS}
        and not same(key, value, new.get(key))
        and not (key in ANNOUNCED and _replaceable(key, value))
    }
    # Settings that do not mention them must not change them.
    carried |= {
        key: DEFAULTS[key]
        for key in KEPT_DEFAULTS
        if key not in old and not same(key, DEFAULTS[key], new.get(key, DEFAULTS[key]))
    }
    after = {**new, **carried}
    changes = []
    for key in sorted({*old, *generated} - {"server_name", "report_stats"}):
        if key in old and key in after and same(key, old[key], after[key]):
            continue
        if key not in old and key in DEFAULTS and same(key, DEFAULTS[key], after.get(key)):
            continue
        if key in SECRETS:
            changes.append(Change(key, "in homeserver.yaml", f"in secrets/{key}", "the same"))
        elif key in old or key in generated:
            changes.append(Change(key, shown(key, old), shown(key, after),
                                  ANNOUNCED.get(key, _why(key, old))))  # fmt: skip
    return Division(carried, tuple(changes), tuple(_problems(known, generated)))


def _why(key: str, old: Options) -> str:
    name = key.removesuffix("_path")
    if name == key or name not in SECRETS:
        return ""
    if name in old or (name == "macaroon_secret_key" and "registration_shared_secret" in old):
        return "holds the secret that is in force"
    if name == "macaroon_secret_key":
        return "was derived from the signing key; only guests have to log in again"
    return "a new one"


def secret_files(options: Options) -> dict[str, str]:
    """The secrets that are in force, by the file in secrets/ that is to hold them."""
    found = {key: str(options[key]) for key in SECRETS if options.get(key)}
    # So Synapse chooses when it has no macaroon_secret_key (synapse.config.key).
    fallback = options.get("registration_shared_secret")
    if fallback and not options.get("macaroon_secret_key_path"):
        found.setdefault("macaroon_secret_key", str(fallback))
    return found


def _replaceable(key: str, value: Any) -> bool:
    return key != "listeners" or _is_plain(value)


def _is_plain(listeners: Any) -> bool:
    """Whether our one listener does all that these did, for whoever came through nginx."""
    if not isinstance(listeners, list) or len(listeners) != 1:
        return False
    one = listeners[0]
    addresses = one.get("bind_addresses") or [one.get("bind_address")]
    return (
        one.get("type") == "http"
        and not one.get("tls")
        and one.get("x_forwarded") is True
        and set(map(str, addresses)) <= {"127.0.0.1", "::1", "localhost"}
        and {"client", "federation"} <= resources_of(one)
        and resources_of(one) <= {"client", "federation", "health", "static", "keys", "media"}
        and not one.get("additional_resources")
    )


def resources_of(listener: Options) -> set[str]:
    """What a listener of Synapse answers."""
    return {
        str(name)
        for resource in listener.get("resources") or ()
        if isinstance(resource, Mapping)
        for name in resource.get("names") or ()
    }


def _problems(known: Known, generated: Options) -> Iterator[Problem]:
    old = known.options
    database = old.get("database")
    if not isinstance(database, Mapping) or database.get("name") != "psycopg2":
        # SQLite has been replaced in what is known by what it moves to (adopt/from_sqlite.py).
        yield Problem(f"{_HOMESERVER}: database", "is not one", "write which database it is")
    for key in known.packaged:
        is_default = same(key, known.packaged[key], DEFAULTS.get(key, _MISSING))
        if key not in old and key not in generated and not is_default:
            yield Problem(
                f"{_HOMESERVER}/homeserver.yaml: {key}",
                "was removed from the packaged file, which would bring it back",
                f"write the {key} that you want into it",
            )
    if old.get("signing_key_path") not in {None, known.packaged.get("signing_key_path")}:
        yield Problem(
            f"{_HOMESERVER}: signing_key_path", "is not where Synapse's package keeps the key",
            f"move the key to {known.packaged.get('signing_key_path')} and name it so",
        )  # fmt: skip
    if "signing_key" in old:
        yield Problem(
            f"{_HOMESERVER}: signing_key", "is in the configuration itself",
            f"write the key into {known.packaged.get('signing_key_path')} and remove the option",
        )  # fmt: skip
    yield from _listeners(old.get("listeners"))
    yield from _places({key: value for key, value in old.items() if key not in ANNOUNCED})
    for key in _WORKERS:
        if old.get(key):
            yield Problem(
                f"{_HOMESERVER}: {key}", "belongs to workers, which this package does not run",
                "go back to one process first",
            )  # fmt: skip
    redis = old.get("redis")
    if isinstance(redis, Mapping) and redis.get("enabled"):
        yield Problem(
            f"{_HOMESERVER}: redis", "is for workers, which this package does not run",
            "go back to one process first",
        )  # fmt: skip
    if "databases" in old:
        yield Problem(f"{_HOMESERVER}: databases", "has more than one", "use `database`")


def _places(options: Options) -> Iterator[Problem]:
    """Files that Synapse could not reach, or not write to, any more."""
    for key, value in options.items():
        for path in _paths_in(value):
            if path.startswith(_HIDDEN):
                yield Problem(
                    f"{_HOMESERVER}: {key}", f"names {path}, and nothing there is seen by Synapse"
                    " once its unit is hardened",
                    "move it below /var/lib/matrix-synapse or /srv and name it so",
                )  # fmt: skip
    media = options.get("media_store_path")
    if isinstance(media, str) and media.startswith(_READ_ONLY):
        yield Problem(
            f"{_HOMESERVER}: media_store_path",
            f"is {media}, where Synapse will not write any more",
            "move the media below /var/lib/matrix-synapse or /srv and name the place so",
        )  # fmt: skip


def _paths_in(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        if value.startswith("/"):
            yield value
    elif isinstance(value, Mapping):
        for one in value.values():
            yield from _paths_in(one)
    elif isinstance(value, list):
        for one in value:
            yield from _paths_in(one)


def _listeners(listeners: Any) -> Iterator[Problem]:
    for number, one in enumerate(listeners if isinstance(listeners, list) else ()):
        if isinstance(one, Mapping) and one.get("tls"):
            yield Problem(
                f"{_HOMESERVER}: listeners.{number}", "speaks TLS itself",
                "have nginx do it in front of a plain listener on 127.0.0.1",
            )  # fmt: skip
