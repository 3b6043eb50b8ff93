"""Who can read what is secret, and change what this package believes."""

from collections.abc import Mapping

from . import Made

_OURS = "/etc/altpeter-matrix"

MADE: Mapping[str, Made] = {
    "secrets-directory-open": Made(f"chmod 755 {_OURS}/secrets"),
    "secret-readable": Made(f"chmod 644 {_OURS}/secrets/macaroon_secret_key"),
    "signing-key-readable": Made("chmod 644 /etc/matrix-synapse/homeserver.signing.key"),
    # As where somebody put his own certificate.
    "private-key-readable": Made(
        "cd /etc/letsencrypt; chmod 755 live archive; chmod 644 live/*/privkey.pem",
        tidy="chmod 700 /etc/letsencrypt/live /etc/letsencrypt/archive",
    ),
    "setting-readable": Made(
        f"echo 'turn_shared_secret: only-for-the-lab' >{_OURS}/synapse.d/turn.yaml;"
        f" chmod 644 {_OURS}/synapse.d/turn.yaml; altpeter-matrix apply",
        tidy=f"rm {_OURS}/synapse.d/turn.yaml; altpeter-matrix apply",
    ),
    "configuration-writable": Made(f"chmod 664 {_OURS}/settings.yaml"),
}
NOT_MADE: Mapping[str, str] = {}
