"""What gpg's listing says of the keys that sign."""

import pytest

from altpeter_matrix.apt import gpg

from .fake_keyring import FIRST, SUBKEY

LISTING = """\
tru::1:1795939955:0:3:1:5
pub:-:255:22:88AF70136630F78D:1795939954:1953619954::-:::{primary}:::::ed25519:::0:
fpr:::::::::AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA:
uid:-::::1795939955::65611A74::Repository::::::::::0:
sub:{validity}:255:22:25708D3E934231CF:1795939954:{subkey}:::::s:::::ed25519::
fpr:::::::::BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB:
"""


@pytest.mark.parametrize(
    ("primary", "subkey", "validity", "expected"),
    [
        ("scSC", "", "-", [(FIRST, 1953619954, True), (SUBKEY, 1953619954, True)]),
        ("scSC", "1800000000", "-", [(FIRST, 1953619954, True), (SUBKEY, 1800000000, True)]),
        # The key itself only certifies; that it can sign at all is its subkey's.
        ("cSC", "1800000000", "-", [(SUBKEY, 1800000000, True)]),
        ("cSC", "1953619999", "-", [(SUBKEY, 1953619954, True)]),
        ("cSC", "", "r", [(SUBKEY, 1953619954, False)]),
    ],
)
def test_only_what_may_sign_counts_and_a_subkey_ends_with_its_key(
    primary: str, subkey: str, validity: str, expected: list[tuple[str, float, bool]]
) -> None:
    lines = LISTING.format(primary=primary, subkey=subkey, validity=validity).splitlines()
    found = [(one.fingerprint, one.expires, one.useful) for one in gpg._signing_keys(lines)]
    assert found == expected
    assert {one.primary for one in gpg._signing_keys(lines)} == {FIRST}
