"""Answers to what Synapse's package asks while it is installed."""

from altpeter_matrix.settings.model import Settings

from ..observe.host_state import HostState


def synapse_answers(settings: Settings, state: HostState) -> dict[str, tuple[str, str]]:
    """What Synapse's package asks; nothing once it is installed, its files know it then."""
    if state.synapse_installed:
        return {}
    return {
        "matrix-synapse/server-name": ("string", settings.server_name),
        "matrix-synapse/report-stats": ("boolean", str(settings.report_stats).lower()),
    }
