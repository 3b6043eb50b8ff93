"""Where the deploy puts things on a host, and where it is itself.

Everything else on a host belongs to the host tool.
"""

from pathlib import Path

TOP = Path(__file__).resolve().parents[2]  # of this checkout

CONFIGURATION = "/etc/altpeter-matrix"
SETTINGS = f"{CONFIGURATION}/settings.yaml"
SECRETS = f"{CONFIGURATION}/secrets"
ADMINISTRATOR_PASSWORD = f"{SECRETS}/administrator_password"
STATE = "/var/lib/altpeter-matrix"
REPLACED = f"{STATE}/replaced"
ACME_WEBROOT = f"{STATE}/acme"

# What only the deploy needs; the package's purge removes it with the rest.
DEPLOY_STATE = f"{STATE}/deploy"
PACKAGE_MARK = f"{DEPLOY_STATE}/package.sha256"
DEFAULT_SITE_MARK = f"{DEPLOY_STATE}/default-site-decided"

TRANSACTION_LOG = f"{DEPLOY_STATE}/apt.log"

SOURCES = "/etc/apt/sources.list.d/matrix-org.sources"
KEYRING = "/usr/share/keyrings/matrix-org-archive-keyring.gpg"
# Where our own package comes from, when it does not come with the deploy.
PACKAGE_SOURCES = "/etc/apt/sources.list.d/altpeter-matrix.sources"
PACKAGE_KEYRING = "/etc/apt/keyrings/altpeter-matrix.gpg"
PACKAGE_PIN = "/etc/apt/preferences.d/altpeter-matrix.pref"

MANAGED_FILES = (SETTINGS, SOURCES, KEYRING, PACKAGE_SOURCES, PACKAGE_KEYRING, PACKAGE_PIN)
KEYRINGS = (KEYRING, PACKAGE_KEYRING)
