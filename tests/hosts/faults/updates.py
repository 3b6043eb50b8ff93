"""Whether updates come, and what keeps them away."""

from collections.abc import Mapping

from . import Made

MADE: Mapping[str, Made] = {}
NOT_MADE: Mapping[str, str] = {
    "repository-key-ended": "hosts/test_attacks_repository.py",
    "repository-key-ends": "hosts/test_attacks_repository.py",
    "repository-key-changes": "hosts/test_attacks_repository.py",
    "update-held-back": "hosts/test_updates.py",
}
