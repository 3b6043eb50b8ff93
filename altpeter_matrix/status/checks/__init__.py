"""What is asked: one module for each subject, and its faults in files/faults/SUBJECT.yaml.

A new subject is a module with CHECKS, its file of faults, and its name in SUBJECTS.
"""

from collections.abc import Mapping
from functools import cache
from types import ModuleType

from ..catalogue import Fault, read
from ..check import Check
from . import (
    backup,
    certificate,
    clock,
    configuration,
    database,
    disk,
    dns,
    federation,
    firewall,
    identity,
    mail,
    next_start,
    notify,
    other_servers,
    own_programs,
    packages,
    permissions,
    point_in_time,
    postgresql,
    reach,
    resources,
    services,
    serving,
    software,
    supervision,
    timers,
    updates,
    upgrades,
)

# In the order in which they are shown: what others depend on comes first, and is started first.
SUBJECTS: tuple[ModuleType, ...] = (
    configuration, supervision, postgresql, services, disk, resources, serving, reach, identity,
    next_start, certificate, dns, federation, firewall, permissions, other_servers, database,
    packages, timers, updates, software, upgrades, clock, mail, own_programs, notify, backup,
    point_in_time,
)  # fmt: skip

CHECKS: tuple[Check, ...] = tuple(check for subject in SUBJECTS for check in subject.CHECKS)
# That a check could not be asked is a finding of no check.
ASKING = "asking"


def names() -> tuple[str, ...]:
    """Of the subjects, as their files are named."""
    return (ASKING, *(subject.__name__.rpartition(".")[2] for subject in SUBJECTS))


@cache
def catalogue() -> Mapping[str, Fault]:
    """Each fault by its ID."""
    return read(names())
