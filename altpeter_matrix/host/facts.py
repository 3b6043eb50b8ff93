"""What the host is: read once, before anything is rendered."""

from dataclasses import dataclass
from pathlib import Path

Version = tuple[int, ...]
# Those that bring Synapse: upstream's, before Debian's own.
SYNAPSE_PACKAGES = ("matrix-synapse-py3", "matrix-synapse")


@dataclass(frozen=True)
class Synapse:
    """The installed Synapse package, upstream's or Debian's."""

    package: str  # matrix-synapse-py3 | matrix-synapse
    version: str
    python: Path  # the interpreter that imports synapse
    group: str  # primary group of the matrix-synapse user (nogroup with Debian's package)
    server_name: str | None  # as conf.d/homeserver.yaml say today; None when unset

    @property
    def bundled(self) -> bool:
        """Whether the package brings Synapse's libraries; Debian's own shares them with others."""
        return self.package != "matrix-synapse"


@dataclass(frozen=True)
class Certificate:
    """The certificate that nginx is to serve: certbot's, or the placeholder."""

    fullchain: Path
    private_key: Path
    placeholder: bool


@dataclass(frozen=True)
class HostFacts:
    """Everything that rendering depends on besides the settings."""

    nginx_version: Version | None  # None: nginx is not installed
    openssl_version: Version
    synapse: Synapse | None
    processors: int
    ipv6: bool  # whether the kernel has it, so that nginx may listen on [::]
    certificate: Certificate
    # Whether other packages than Synapse's come from the host of its repository, too.
    shared_repository_host: bool = False
    memory: int | None = None  # in bytes; None: nobody says
    jemalloc: Path | None = None  # None: Synapse does without
