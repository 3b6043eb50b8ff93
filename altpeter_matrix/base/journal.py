"""The journal: what happened while nobody looked. What people are told besides is in notify/."""

import syslog


def write(text: str, *, error: bool) -> None:
    """One line of the journal, from `altpeter-matrix`."""
    syslog.openlog("altpeter-matrix")
    syslog.syslog(syslog.LOG_ERR if error else syslog.LOG_NOTICE, text)
