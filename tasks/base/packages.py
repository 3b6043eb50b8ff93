"""The packages that the deploy knows by name."""

PACKAGE = "altpeter-matrix-config"  # ours
# Upstream's package, from upstream's repository; unreleased Debian has one of its own.
UPSTREAM_SYNAPSE = "matrix-synapse-py3"
DEBIAN_SYNAPSE = "matrix-synapse"
TIMESYNCD = "systemd-timesyncd"
TIMESYNCD_UNIT = f"{TIMESYNCD}.service"
# Whatever keeps the time already is the administrator's choice and stays.
CLOCKS = (TIMESYNCD, "chrony", "ntpsec", "ntp", "openntpd")
# Every package that the deploy may install or has to know of.
KNOWN = (
    PACKAGE, UPSTREAM_SYNAPSE, DEBIAN_SYNAPSE, "ca-certificates", "certbot",
    "libjemalloc2", "nginx", "openssh-client", "openssl", "pgbackrest", "postgresql", "restic",
    "ufw", "unattended-upgrades", *CLOCKS,
)  # fmt: skip

# Seconds that another package manager is waited for.
LOCK_TIMEOUT = 300
