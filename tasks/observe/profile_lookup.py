"""Whether Synapse knows an account; runs on the host: where Synapse listens and the user ID are its
arguments."""

import sys
from urllib.error import URLError
from urllib.parse import quote
from urllib.request import ProxyHandler, build_opener

TIMEOUT = 10  # seconds


def main(synapse: str, user_id: str) -> None:
    """Print what the observation calls an account that can be used; nothing when that is unknown.

    A profile is public (Client-Server API, "Profiles"), and a deactivated account has none.
    """
    url = f"{synapse}/_matrix/client/v3/profile/{quote(user_id, safe='')}"
    try:
        with build_opener(ProxyHandler({})).open(url, timeout=TIMEOUT):
            print("administrator active")
    except (URLError, OSError, ValueError):
        return


if __name__ == "__main__":
    main(*sys.argv[1:])
