"""For all tests: pyinfra's command line is imported without its effect on the whole process."""

from unittest import mock

# Importing it makes threads and subprocesses of the process cooperative (gevent): tests of the same
# run that start programs from a thread would then wait for ever. Once imported, it does not again.
with mock.patch("gevent.monkey.patch_all"):
    import pyinfra_cli  # noqa: F401
