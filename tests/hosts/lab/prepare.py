"""What a lab needs before it can open, made side by side and kept for the labs to come."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from . import synapse_deb
from .images import base_image
from .parallel import side_by_side
from .services import services_layers


@dataclass(frozen=True)
class Needs:
    """The releases for which the lab's repository has Synapse, and in which versions; and the
    release that the services host runs."""

    releases: Sequence[str] = synapse_deb.SUPPORTED
    versions: Sequence[str] = synapse_deb.VERSIONS
    # As that of make demo, so that both have the same layers.
    services: str = "13"


def prepare(needs: Needs, *, images: Sequence[str] = ()) -> None:
    """Build what is not in the cache yet; images: of further releases."""
    works: list[Callable[[], object]] = [partial(services_layers, needs.services)]
    works += [
        partial(synapse_deb.package, release, version)
        for version in needs.versions
        for release in needs.releases
    ]
    side_by_side(*works, *(partial(base_image, release) for release in images))
