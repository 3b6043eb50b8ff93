"""How a host gets into each state, what is precious in it, and how it gets out again."""

from dataclasses import dataclass
from pathlib import PurePosixPath

from .cells import State

SETTINGS = "/etc/altpeter-matrix/settings.yaml"
SITE = "/var/lib/altpeter-matrix/current/nginx/site.conf"
SYNAPSE = "/var/lib/altpeter-matrix/current/synapse/altpeter-matrix.yaml"
OPTIONS_LINK = "/etc/matrix-synapse/conf.d/50-altpeter-matrix.yaml"
ENABLED = "/etc/nginx/sites-enabled/altpeter-matrix"
HOOK = "/etc/letsencrypt/renewal-hooks/deploy/altpeter-matrix"
HOOK_TARGET = "/usr/lib/altpeter-matrix-config/certbot-deploy-hook"
HOMESERVER = "/etc/matrix-synapse/homeserver.yaml"
LOG = "/etc/matrix-synapse/log.yaml"
MINE = "/etc/matrix-synapse/mine.yaml"
FOREIGN = "/etc/nginx/sites-enabled/foreign"
NGINX_ADDITION = "/etc/altpeter-matrix/nginx.d/local.conf"
SYNAPSE_ADDITION = "/etc/altpeter-matrix/synapse.d/local.yaml"
NGINX_BROKEN = "/etc/altpeter-matrix/nginx.d/broken.conf"
SYNAPSE_BROKEN = "/etc/altpeter-matrix/synapse.d/broken.yaml"


@dataclass(frozen=True)
class Setup:
    """Shell commands that make the state and undo it, and what has to be true afterwards."""

    make: str
    undo: str = "true"
    # Hand-made content: byte for byte in place afterwards, or in the reported directory.
    precious: tuple[str, ...] = ()
    # What somebody took away stays away.
    absent: tuple[str, ...] = ()
    # A path of nginx that answers 200.
    answers: str = ""
    # What `status` has to name, since `apply` refuses it.
    refused: str = ""


def _edit(path: str) -> Setup:
    """A line at the end of a packaged conffile; undone by putting the old text back."""
    kept = f"/root/packaged-{PurePosixPath(path).name}"
    return Setup(
        f"cp -p {path} {kept}; echo '# edited by hand' >> {path}",
        f"cp -p {kept} {path}",
        precious=(path,),
    )


def _settings(change: str, *, refused: str = "", precious: bool = True) -> Setup:
    return Setup(
        f"cp -p {SETTINGS} /root/settings; {change}",
        f"cp -p /root/settings {SETTINGS}",
        precious=(SETTINGS,) if precious else (),
        refused=refused,
    )


def _addition(path: str, broken: str) -> Setup:
    return Setup(f"echo '{broken}' > {path}", f"rm -f {path}", precious=(path,), refused=path)


SETUPS: dict[State, Setup] = {
    State.UNTOUCHED: Setup("true"),
    State.HOMESERVER_EDITED: _edit(HOMESERVER),
    State.LOG_EDITED: _edit(LOG),
    State.GENERATED_EDITED: Setup(f"echo '# edited by hand' >> {SITE}", precious=(SITE,)),
    State.GENERATED_DELETED: Setup(f"rm {SITE} {SYNAPSE}"),
    State.GENERATED_LINKED: Setup(
        f"cp {SYNAPSE} {MINE}; echo '# edited by hand' >> {MINE}; chmod 644 {MINE};"
        f" ln -sf {MINE} {SYNAPSE}",
        f"rm -f {MINE}",
        precious=(MINE,),
    ),
    State.GENERATED_UNREADABLE: Setup(f"chmod 000 {SYNAPSE}"),
    State.LINK_DELETED: Setup(
        # Without the second one Synapse would begin an empty server, so it comes back.
        f"rm {HOOK} {OPTIONS_LINK}",
        f"rm -f {HOOK}; ln -s {HOOK_TARGET} {HOOK}",
        absent=(HOOK,),
    ),
    State.SITE_DISABLED: Setup(
        f"rm {ENABLED}; systemctl reload nginx",
        f"ln -sf ../sites-available/altpeter-matrix {ENABLED}; systemctl reload nginx",
        absent=(ENABLED,),
    ),
    State.SETTINGS_EDITED: _settings(f"echo 'log_level: WARNING' >> {SETTINGS}"),
    State.SETTINGS_INVALID: _settings(
        f"echo 'nonsense: 1' >> {SETTINGS}", refused="settings.yaml: nonsense"
    ),
    State.SETTINGS_MISSING: _settings(f"rm {SETTINGS}", precious=False),
    State.ADDITIONS: Setup(
        f"echo 'location = /local {{ return 200; }}' > {NGINX_ADDITION};"
        f" echo 'user_directory: {{search_all_users: true}}' > {SYNAPSE_ADDITION};"
        " altpeter-matrix apply",
        f"rm -f {NGINX_ADDITION} {SYNAPSE_ADDITION}",
        precious=(NGINX_ADDITION, SYNAPSE_ADDITION),
        answers="/local",
    ),
    State.NGINX_ADDITION_BROKEN: _addition(NGINX_BROKEN, "location /broken { return 200 }"),
    State.SYNAPSE_ADDITION_BROKEN: _addition(SYNAPSE_BROKEN, "unfinished: ["),
    State.FOREIGN_SITE: Setup(
        "printf 'server { listen 80; listen 443 ssl; listen 8448 ssl; server_name @name;"
        " ssl_certificate /var/lib/altpeter-matrix/placeholder/fullchain.pem;"
        " ssl_certificate_key /var/lib/altpeter-matrix/placeholder/privkey.pem; return 418; }\\n'"
        f" > {FOREIGN}; nginx -t; systemctl reload nginx",
        f"rm -f {FOREIGN}; systemctl reload nginx",
        precious=(FOREIGN,),
    ),
}
# Only these states are finished before another one: an `apply` of theirs would undo the others.
FIRST = (State.ADDITIONS,)


def in_order(states: tuple[State, ...]) -> tuple[State, ...]:
    return tuple(sorted(states, key=lambda state: state not in FIRST))
