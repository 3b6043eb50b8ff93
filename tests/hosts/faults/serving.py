"""What clients and other servers get when they ask."""

from collections.abc import Mapping

from . import Made

MADE: Mapping[str, Made] = {
    "no-answer": Made(
        "systemctl kill -s STOP matrix-synapse", cure="systemctl kill -s CONT matrix-synapse"
    ),
}
NOT_MADE: Mapping[str, str] = {}
