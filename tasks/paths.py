"""Where the deploy puts things on a host. Everything else there belongs to the host tool."""

CONFIGURATION = "/etc/altpeter-matrix"
SETTINGS = f"{CONFIGURATION}/settings.yaml"
SECRETS = f"{CONFIGURATION}/secrets"
ADMINISTRATOR_PASSWORD = f"{SECRETS}/administrator_password"
STATE = "/var/lib/altpeter-matrix"
REPLACED = f"{STATE}/replaced"
ACME_WEBROOT = f"{STATE}/acme"

# What only the deploy needs to remember; the package's purge removes it with the rest.
DEPLOY_STATE = f"{STATE}/deploy"
PACKAGE_MARK = f"{DEPLOY_STATE}/package.sha256"
DEFAULT_SITE_MARK = f"{DEPLOY_STATE}/default-site-decided"

PACKAGE_CACHE = "/var/cache/altpeter-matrix-config"
TRANSACTION_LOG = "/var/log/altpeter-matrix-deploy.log"

SOURCES = "/etc/apt/sources.list.d/matrix-org.sources"
KEYRING = "/usr/share/keyrings/matrix-org-archive-keyring.gpg"
UPDATES = "/etc/apt/apt.conf.d/52altpeter-matrix"

MANAGED_FILES = (SETTINGS, SOURCES, KEYRING, UPDATES)
