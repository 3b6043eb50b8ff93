"""Where an apply puts its files on a fake host, and settings to apply there."""

from altpeter_matrix.base.errors import Problem

from .fake_host import NAME, FakeHost

SITE = "var/lib/altpeter-matrix/current/nginx/site.conf"
OPTIONS = "var/lib/altpeter-matrix/current/synapse/altpeter-matrix.yaml"
ENABLED = "etc/nginx/sites-enabled/altpeter-matrix"
CONF_D = "etc/matrix-synapse/conf.d/50-altpeter-matrix.yaml"
MAIL = (
    f"server_name: {NAME}\n"
    "email: {smtp_host: mail.example.org, username: matrix, from: matrix@example.org}\n"
)


def settings(host: FakeHost, more: str) -> None:
    """Write the settings of a fake host: its name, and these lines."""
    host.settings(f"server_name: {NAME}\n{more}")


def current(host: FakeHost) -> str:
    """The number of the active generation."""
    return host.paths.current.readlink().name


def whats(problems: tuple[Problem, ...]) -> str:
    """All that is said of these problems."""
    return "\n".join(str(problem) for problem in problems)
