"""The certificate that clients and other servers are shown."""

from collections.abc import Iterator

from ...apply.public_side import PublicSide
from .. import looks
from ..check import Check
from ..found import Found, by_their_ids
from ..view import View


def certificate(view: View) -> Iterator[Found]:
    view.shared(looks.certificate)
    yield from by_their_ids(PublicSide(view.host).certificate_findings(view.shared(looks.settings)))


CHECKS = (
    Check(
        "the certificate",
        certificate,
        (
            "certificate-missing",
            "certificate-placeholder",
            "certificate-expired",
            "certificate-expires-soon",
            "certificate-lacks-name",
            "certificate-not-served",
        ),
        unless=("settings-refused",),
        live=False,
    ),
)
