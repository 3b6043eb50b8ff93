"""Whether mail goes out."""

from collections.abc import Mapping

from . import Made
from .another_machine import SETTINGS_BACK, with_settings

_PASSWORD = "/etc/altpeter-matrix/secrets/smtp_password"
_PASSWORD_BACK = f"[ ! -e /root/smtp_password ] || cp -p /root/smtp_password {_PASSWORD}"


def _asked(port: int) -> Made:
    """The lab's mail server, with a password that it does not know."""
    email = {
        "smtp_host": "mail.lab.test",
        "smtp_port": port,
        "security": "starttls",
        "username": "synapse@lab.test",
        "from": "Lab <noreply@lab.test>",
    }
    return Made(
        with_settings(
            f"settings['email'] = {email!r}",
            f"umask 077; [ ! -e {_PASSWORD} ] || cp -p {_PASSWORD} /root/;"
            f" echo a-wrong-password >{_PASSWORD};",
        ),
        cure=f"rm {_PASSWORD}; {_PASSWORD_BACK}; {SETTINGS_BACK}",
        daily=True,
    )


MADE: Mapping[str, Made] = {
    "mail-server-silent": _asked(9),
    # It encrypts nothing on that port.
    "mail-encryption-refused": _asked(25),
    "mail-login-refused": _asked(587),
}
NOT_MADE: Mapping[str, str] = {
    "mail-queue-stuck": "unit/status/test_mail.py: a mail of yesterday cannot be sent today",
}
