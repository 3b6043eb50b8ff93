"""How other servers get from the server name to this one, and whether it gets to them."""

from collections.abc import Mapping

from . import Made
from .another_machine import PROXY_GONE, proxy_answers

_DOCUMENT = "location = /.well-known/matrix/server"
_KEYS = "location = /_matrix/key/v2/server"
# Of this server, but older than what is shown may be.
_OLD_KEYS = (
    "python3 - >/run/lab-keys.json <<'END'\n"
    "import json, urllib.request\n"
    "shown = urllib.request.urlopen('http://127.0.0.1:8008/_matrix/key/v2/server')\n"
    "print(json.dumps({**json.load(shown), 'valid_until_ts': 1}))\n"
    "END\n"
)
_PSQL = "runuser -u matrix-synapse -- psql -q -d synapse -c"


def _behind(location: str, before: str = "") -> Made:
    return Made(f"{before} {proxy_answers(location)}", cure=PROXY_GONE, daily=True)


MADE: Mapping[str, Made] = {
    "delegation-not-published": _behind(f"{_DOCUMENT} {{ return 404; }}"),
    "delegation-leads-elsewhere": _behind(
        f'{_DOCUMENT} {{ return 200 "{{\\"m.server\\": \\"other.test:443\\"}}"; }}'
    ),
    "federation-not-reachable": _behind(f"{_KEYS} {{ return 502; }}"),
    "federation-key-of-another": _behind(f'{_KEYS} {{ return 200 "{{}}"; }}'),
    "federation-keys-refused": _behind(f"{_KEYS} {{ alias /run/lab-keys.json; }}", _OLD_KEYS),
    "servers-not-reached": Made(
        f'{_PSQL} "insert into destinations'
        " (destination, retry_last_ts, retry_interval, failure_ts)"
        " select 'gone' || number || '.test', now, 86400000, now - 86400000 from"
        " generate_series(1, 20) number, (select extract(epoch from now())::bigint * 1000 as now) x"
        '"',
        cure=f"{_PSQL} \"delete from destinations where destination like 'gone%.test'\"",
        daily=True,
    ),
}
NOT_MADE: Mapping[str, str] = {}
