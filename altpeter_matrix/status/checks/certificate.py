"""The certificate that clients and other servers are shown, and its renewal."""

from collections.abc import Iterator

from ...apply.public_side import PublicSide
from ...base.commands import run
from ...base.errors import Problem
from ...host import certificate as certificates
from ...host import certificate_state
from ...host.facts import Certificate
from .. import looks, systemd
from ..check import Check
from ..found import Found, by_their_ids, found, in_own_words
from ..view import View

FEDERATION_PORT = 8448
RENEWAL = "certbot.service"
_STORE = "/etc/ssl/certs/ca-certificates.crt"


def certificate(view: View) -> Iterator[Found]:
    view.shared(looks.certificate)
    yield from by_their_ids(
        PublicSide(view.host).certificate_objections(view.shared(looks.settings))
    )


def on_federation_port(view: View) -> Iterator[Found]:
    """Another program, or another site of nginx's, may have that port."""
    settings, on_disk = view.shared(looks.settings), view.shared(looks.certificate)
    if not settings.federation.port_8448 or not on_disk:
        return
    shown = certificate_state.served(settings.public_name, FEDERATION_PORT)
    if shown is not None and shown.fingerprint != on_disk["fingerprint"]:
        what = f"does not serve the certificate in {chosen(view).fullchain}"
        problem = Problem(f"port {FEDERATION_PORT}", what, "`systemctl reload nginx`")
        yield from in_own_words("certificate-not-served-to-servers", problem)


def chosen(view: View) -> Certificate:
    return certificates.choose(view.paths, view.shared(looks.settings).public_name)


def _certbots(view: View) -> Certificate | None:
    """The certificate, where there is one that others are to accept."""
    one = chosen(view)
    return None if one.placeholder or not view.shared(looks.certificate) else one


def trust(view: View) -> Iterator[Found]:
    """As others see it who have what Debian trusts; the dates are another fault."""
    one = _certbots(view)
    if one is None or not view.paths.on_host(_STORE).exists():
        return
    file = view.paths.on_host(one.fullchain)
    judged = run(
        "openssl", "verify", "-no_check_time", "-purpose", "sslserver", "-untrusted", file, file,
        check=False,
    )  # fmt: skip
    if judged.ok:
        return
    if file.read_text("ascii", "replace").count("-----BEGIN CERTIFICATE-----") == 1 and (
        not _signs_itself(view)
    ):
        yield found("certificate-chain-incomplete", file=one.fullchain)
    else:
        yield found("certificate-not-trusted", file=one.fullchain)


def _signs_itself(view: View) -> bool:
    file = view.paths.on_host(chosen(view).fullchain)
    shown = run("openssl", "x509", "-in", file, "-noout", "-issuer", "-subject", check=False)
    names = [line.partition("=")[2].strip() for line in shown.stdout.splitlines()]
    return len(names) == 2 and names[0] == names[1]


def key(view: View) -> Iterator[Found]:
    """nginx goes on with what it has loaded, and would not start again."""
    one = _certbots(view)
    if one is None:
        return
    certified = run(
        "openssl", "x509", "-in", view.paths.on_host(one.fullchain), "-noout", "-pubkey",
        check=False,
    )  # fmt: skip
    own = run("openssl", "pkey", "-in", view.paths.on_host(one.private_key), "-pubout", check=False)
    if certified.ok and (not own.ok or own.stdout != certified.stdout):
        yield found("certificate-key-does-not-fit", file=one.private_key)


def renewal(view: View) -> Iterator[Found]:
    one = _certbots(view)
    if one is None or not view.shared(looks.settings).certificates.acme:
        return
    name = one.fullchain.parent.name
    file = view.paths.letsencrypt / "renewal" / f"{name}.conf"
    if not file.is_file():
        yield found("certificate-renewal-missing", file=file)


def last_renewal(view: View) -> Iterator[Found]:
    if _certbots(view) is None:
        return
    if systemd.states([RENEWAL])[RENEWAL].active == "failed":
        yield found("certificate-renewal-failed", unit=RENEWAL)


_NO_SETTINGS = ("settings-refused",)
_NONE = (*_NO_SETTINGS, "certificate-missing", "certificate-placeholder")
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
        unless=_NO_SETTINGS,
        live=False,
    ),
    Check(
        "the certificate on the federation port",
        on_federation_port,
        ("certificate-not-served-to-servers",),
        unless=(*_NO_SETTINGS, "certificate-not-served"),
    ),
    Check(
        "who trusts the certificate",
        trust,
        ("certificate-chain-incomplete", "certificate-not-trusted"),
        unless=_NONE,
    ),
    Check("the key of the certificate", key, ("certificate-key-does-not-fit",), unless=_NONE),
    Check("the renewal's configuration", renewal, ("certificate-renewal-missing",), unless=_NONE),
    Check(
        "the last renewal",
        last_renewal,
        ("certificate-renewal-failed",),
        unless=(*_NONE, "systemd-missing"),
    ),
)
