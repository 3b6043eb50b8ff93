"""Settings of the hosts in the group `homeserver`; docs/settings.md explains all of them."""

matrix = {
    # User IDs look like @user:example.org …
    "server_name": "example.org",
    # … and the server is called matrix.example.org. Both names lead to this host here.
    "public_name": "matrix.example.org",
    "administrator": {"username": "admin"},
}

# A file on this machine with the mailbox's password, when the settings have `email` with a
# `username`:
# smtp_password_file = "~/.config/altpeter-matrix/smtp_password"

# The addresses that the world sees, when the host is behind NAT:
# public_addresses = ["203.0.113.5"]

# Another package than the one that `make deb` has built:
# package = "dist/altpeter-matrix-config_0.2.0-1_all.deb"
