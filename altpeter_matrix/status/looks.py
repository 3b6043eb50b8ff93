"""What more than one check looks at: for `View.shared`."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from ..apply import host_facts, input_fingerprint
from ..apply.generations import Store
from ..apply.last_apply import Outcome, Record
from ..apply.prepared import read_settings, settings_in_use
from ..apply.services import Unit
from ..base.accounts import read_accounts
from ..base.commands import run
from ..host import certificate as certificates
from ..host import certificate_state
from ..host.facts import Synapse
from ..postgresql.cluster_list import Cluster, ClusterList
from ..postgresql.layout import PORT
from ..settings.model import Settings
from ..synapse import config_files
from .view import View

PACKAGES = (
    "altpeter-matrix-config", "matrix-synapse-py3", "matrix-synapse", "nginx", "postgresql",
    "certbot",
)  # fmt: skip


def store(view: View) -> Store:
    return Store(view.paths, read_accounts(view.paths.root))


def generation(view: View) -> int | None:
    return view.shared(store).current_number()


def last_apply(view: View) -> Outcome:
    return Record(view.paths).read()


def pending(view: View) -> bool:
    """Whether settings, programs or certificates changed since the last apply."""
    last = view.shared(last_apply)
    return last.inputs != input_fingerprint.fingerprint(view.paths, last.watched)


def settings(view: View) -> Settings:
    """Those that the server runs with: what was written meanwhile is pending."""
    return settings_in_use(view.paths)


def written_settings(view: View) -> Settings:
    """Those of settings.yaml, for what no generation depends on."""
    return read_settings(view.paths)


def units(view: View) -> Mapping[str, Unit]:
    """nginx's and Synapse's."""
    return view.host.services.units_if_present()


@dataclass(frozen=True)
class Package:
    """An installed package. state: dpkg's word for it."""

    version: str
    state: str


def packages(_view: View) -> Mapping[str, Package]:
    """Those that are there."""
    shown = run(
        "dpkg-query", "--show",
        "--showformat=${Package}\t${Version}\t${db:Status-Status}\n",
        *PACKAGES, check=False,
    )  # fmt: skip
    rows = [line.split("\t") for line in shown.stdout.splitlines()]
    return {
        row[0]: Package(row[1], row[2])
        for row in rows
        if len(row) == 3 and row[1] and row[2] not in {"not-installed", "config-files"}
    }


def certificate(view: View) -> Mapping[str, Any]:
    """The one that nginx is told to serve; nothing where there is none."""
    chosen = certificates.choose(view.paths, view.shared(settings).public_name)
    state = certificate_state.on_disk(view.paths.on_host(chosen.fullchain))
    if state is None:
        return {}
    return {**asdict(state), "placeholder": chosen.placeholder}


def synapse(view: View) -> Synapse | None:
    """The installed one."""
    return host_facts.synapse(view.paths, read_accounts(view.paths.root))


def options(view: View) -> Mapping[str, Any]:
    """What the current generation tells Synapse; nothing where there is none."""
    if view.shared(generation) is None:
        return {}
    return config_files.read_generated(view.paths.current)


def database(view: View) -> str | None:
    """Synapse's database in the cluster of this host; None: it is elsewhere, or not known."""
    return config_files.local_database(view.shared(options))


def cluster(view: View) -> Cluster | None:
    """The cluster with that database, whether it runs or not."""
    return ClusterList(view.paths).on_port(PORT) if view.shared(database) is not None else None
