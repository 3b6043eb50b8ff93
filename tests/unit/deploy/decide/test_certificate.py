"""Whether the certificate that is there will do."""

from dataclasses import replace

from tasks.decide import certificate
from tasks.observe.host_state import Certificate
from tests.unit.deploy.decide.hosts import bare, wanted


def test_a_certificate_of_another_name_may_cover_more() -> None:
    names, directory = wanted().settings.certificate_names, wanted().settings.certificates.directory
    more = Certificate(frozenset({*names, "other.org"}), valid=True, server=directory)
    assert not certificate.is_right(wanted(), replace(bare(), certificate=more))
    elsewhere = replace(more, lineage="other.org")
    assert certificate.is_right(wanted(), replace(bare(), certificate=elsewhere))
