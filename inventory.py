"""Altpeter's homeserver. For your own, start from examples/."""

# Its settings are in group_data/altpeter.py: a group of its own, so that no other inventory that is
# used from this folder takes them.
altpeter = [("matrix.altpeter.me", {"ssh_user": "root"})]
