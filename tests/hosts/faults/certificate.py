"""The certificate that clients and other servers are shown, and its renewal."""

from collections.abc import Mapping

from . import Made

_LETSENCRYPT = "/etc/letsencrypt"
_BACK = f"rm -rf {_LETSENCRYPT}; cp -a /root/letsencrypt {_LETSENCRYPT}"
_RELOAD = "altpeter-matrix apply; systemctl reload nginx"
# Where certbot's links lead, so that the links stay.
_FILE = f"$(realpath {_LETSENCRYPT}/live/*/fullchain.pem)"
_KEY = f"$(realpath {_LETSENCRYPT}/live/*/privkey.pem)"


def _kept(make: str, *, beside: tuple[str, ...] = ()) -> Made:
    """All of certbot's is put back afterwards."""
    return Made(
        f"rm -rf /root/letsencrypt; cp -a {_LETSENCRYPT} /root/letsencrypt; {make}",
        cure=f"{_BACK}; {_RELOAD}",
        beside=beside,
    )


def _signed_by_itself(days: int, name: str = "") -> str:
    """A certificate for the names of the present one, or for one name, that ends in so many days;
    nginx serves it."""
    return (
        f"python3 - {days} '{name}' {_FILE} {_KEY} <<'END'\n"
        "import datetime, pathlib, sys\n"
        "from cryptography import x509\n"
        "from cryptography.hazmat.primitives import hashes, serialization\n"
        "days, name, file, key = int(sys.argv[1]), sys.argv[2], *map(pathlib.Path, sys.argv[3:])\n"
        "old = x509.load_pem_x509_certificate(file.read_bytes())\n"
        "private = serialization.load_pem_private_key(key.read_bytes(), None)\n"
        "names = old.extensions.get_extension_for_class(x509.SubjectAlternativeName).value\n"
        "names = x509.SubjectAlternativeName([x509.DNSName(name)]) if name else names\n"
        "now, who = datetime.datetime.utcnow(), x509.Name([])\n"
        "end = now + datetime.timedelta(days=days, hours=1)\n"
        "new = x509.CertificateBuilder(who, who, private.public_key(), 7,\n"
        "    end - datetime.timedelta(days=90), end).add_extension(names, True)\n"
        "signed = new.sign(private, hashes.SHA256())\n"
        "file.write_bytes(signed.public_bytes(serialization.Encoding.PEM))\n"
        "END\n"
        "systemctl reload nginx; sleep 1"
    )


MADE: Mapping[str, Made] = {
    "certificate-missing": _kept(f": >{_FILE}", beside=("change-pending", "nginx-would-not-start")),
    "certificate-placeholder": _kept(
        f"mv {_LETSENCRYPT}/live {_LETSENCRYPT}/gone; altpeter-matrix apply"
    ),
    "certificate-expired": _kept(
        _signed_by_itself(-2), beside=("certificate-not-trusted", "change-pending")
    ),
    "certificate-expires-soon": _kept(
        _signed_by_itself(10), beside=("certificate-not-trusted", "change-pending")
    ),
    "certificate-lacks-name": _kept(
        _signed_by_itself(60, "other.test"), beside=("certificate-not-trusted", "change-pending")
    ),
    # A renewal whose hook did not run.
    "certificate-not-served": Made(
        "certbot renew -q --force-renewal --no-random-sleep-on-renew --no-directory-hooks",
        tidy=_RELOAD,
        beside=("change-pending",),
    ),
    "certificate-chain-incomplete": _kept(
        f"sed -i '/END CERTIFICATE/q' {_FILE}; systemctl reload nginx", beside=("change-pending",)
    ),
    "certificate-not-trusted": _kept(_signed_by_itself(60), beside=("change-pending",)),
    "certificate-key-does-not-fit": _kept(
        f"openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out {_KEY}",
        beside=("change-pending", "nginx-would-not-start"),
    ),
    "certificate-renewal-missing": _kept(f"rm {_LETSENCRYPT}/renewal/*.conf"),
    "certificate-renewal-failed": Made(
        f"cp {_LETSENCRYPT}/renewal/*.conf /root/; echo broken >{_LETSENCRYPT}/renewal/broken.conf;"
        " ! systemctl start certbot.service",
        cure=f"rm {_LETSENCRYPT}/renewal/broken.conf; systemctl start certbot.service",
    ),
}
NOT_MADE: Mapping[str, str] = {
    "certificate-not-served-to-servers": "unit/status/test_certificate_checks.py: nginx has both"
    " ports, and no other program can have one of them beside it",
}
