"""That something could not be asked."""

from collections.abc import Mapping

from . import Made

MADE: Mapping[str, Made] = {}
NOT_MADE: Mapping[str, str] = {
    "could-not-be-asked": "unit/status/test_run.py: checks that hang, break and are refused",
}
