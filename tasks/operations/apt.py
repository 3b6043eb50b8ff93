"""The one transaction that installs all packages."""

import shlex
from collections.abc import Generator
from pathlib import Path

from pyinfra import host
from pyinfra.api import FileUploadCommand, QuoteString, StringCommand, operation
from pyinfra.api.command import PyinfraCommand

from ..base.packages import LOCK_TIMEOUT
from ..base.paths import DEPLOY_STATE, PACKAGE_MARK, TRANSACTION_LOG
from ..decide import packages
from ..inventory.target import Target
from ..observe.host_state import HostState

_TRANSACTION = Path(__file__).with_name("transaction.sh")


@operation()
def transaction(target: Target, state: HostState) -> Generator[PyinfraCommand, None, None]:
    """
    Install everything that is missing, together, and finish what a killed run left unfinished.

    + target: the host as it is wanted
    + state: what was observed on the host
    """
    wanted = packages.transaction(target, state)
    if wanted is None:
        host.noop("all packages are installed")
        return
    yield StringCommand("install -d -m 755", QuoteString(DEPLOY_STATE))
    uploaded = ""
    if wanted.package is not None:
        uploaded = f"{DEPLOY_STATE}/{wanted.package.name}"
        yield FileUploadCommand(str(wanted.package), uploaded)
    yield script(
        _TRANSACTION,
        LOG=TRANSACTION_LOG,
        LOCK_TIMEOUT=str(LOCK_TIMEOUT),
        PACKAGES=" ".join(wanted.install),
        PACKAGE_FILE=uploaded,
        PACKAGE_SHA256=wanted.package_sha256,
        PACKAGE_MARK=PACKAGE_MARK,
        REPAIR="yes" if wanted.repair else "no",
        UPDATE="yes" if wanted.install or wanted.repair else "no",
        REINSTALL="--reinstall" if wanted.reinstall else "",
        DOWNGRADE="--allow-downgrades" if wanted.downgrade else "",
        MANUAL=" ".join(wanted.manual),
    )


def script(path: Path, **variables: str) -> StringCommand:
    """A shell script of ours with its variables before it, without comments."""
    lines = path.read_text(encoding="utf-8").splitlines()
    code = [line for line in lines if line.strip() and not line.lstrip().startswith("#")]
    assignments = [f"{name}={shlex.quote(value)}" for name, value in variables.items()]
    return StringCommand("\n".join([*assignments, *code]))
