"""Keys and media."""

from collections.abc import Mapping

from . import Made

_KEY = "/etc/matrix-synapse/homeserver.signing.key"
_MEDIA = "/var/lib/matrix-synapse/media"
_PSQL = "runuser -u matrix-synapse -- psql -q -d synapse -c"

MADE: Mapping[str, Made] = {
    "signing-key-missing": Made(f"mv {_KEY} {_KEY}.away", cure=f"mv {_KEY}.away {_KEY}"),
    "signing-key-changed": Made(
        f"cp -p {_KEY} {_KEY}.old;"
        f' echo "ed25519 a_new $(head -c 32 /dev/urandom | base64 | tr -d =)" >{_KEY}',
        cure=f"mv {_KEY}.old {_KEY}",
    ),
    "media-store-missing": Made(
        f"mkdir -p {_MEDIA}; mv {_MEDIA} {_MEDIA}.away", cure=f"mv {_MEDIA}.away {_MEDIA}"
    ),
    "media-store-not-writable": Made(f"chown root: {_MEDIA}; chmod 700 {_MEDIA}"),
    "media-store-empty": Made(
        f"mkdir -p {_MEDIA}/local_content; mv {_MEDIA}/local_content /root/;"
        f' {_PSQL} "insert into local_media_repository (media_id, media_type, media_length,'
        " created_ts, user_id) values ('lost', 'image/png', 1, 1, '@admin:test')\"",
        cure=f"mv /root/local_content {_MEDIA}/;"
        f" {_PSQL} \"delete from local_media_repository where media_id = 'lost'\"",
    ),
}
NOT_MADE: Mapping[str, str] = {}
