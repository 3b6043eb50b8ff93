"""The apt repository that our own package may come from: what `make repo` publishes and what the
deploy lets hosts trust."""

from altpeter_matrix.apt.repositories import OWN_LABEL, OWN_ORIGIN, OWN_SUITE

# apt refuses a repository that changes one of these until somebody agrees, and hosts let its
# updates install themselves by them (altpeter_matrix/render/apt_options.py): they never change.
ORIGIN, LABEL = OWN_ORIGIN, OWN_LABEL
# One suite for all releases of Debian, since one package serves them all. Not `stable`: hosts pin
# Debian by that name.
SUITE = OWN_SUITE
COMPONENT = "main"


def sources(uri: str, signed_by: str) -> str:
    """The repository in apt's deb822 format (sources.list(5)).

    signed_by: the path of the key on the host, or the key itself in ASCII armour.
    """
    # A key within the file: its lines are indented, and its empty one is a dot.
    lines = signed_by.strip().splitlines()
    value = f" {lines[0]}" if len(lines) == 1 else "".join(f"\n {line or '.'}" for line in lines)
    return f"Types: deb\nURIs: {uri}\nSuites: {SUITE}\nComponents: {COMPONENT}\nSigned-By:{value}\n"


def pin(package: str, version: str) -> str:
    """Preferences (apt_preferences(5)) that keep one version, a lower one included."""
    return f"Package: {package}\nPin: version {version}\nPin-Priority: 1001\n"
