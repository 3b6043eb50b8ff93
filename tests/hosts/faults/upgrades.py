"""A version of Synapse that is new here."""

from collections.abc import Mapping

from . import Made

MADE: Mapping[str, Made] = {}
NOT_MADE: Mapping[str, str] = {
    "upgrade-failed": "hosts/test_undo.py",
    "upgrade-watched": "hosts/test_undo.py",
}
