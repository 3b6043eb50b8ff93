"""For a checkout on the server itself: `pyinfra examples/local.py deploy.py`."""

homeserver = ["@local"]
