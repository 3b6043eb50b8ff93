"""Settings of matrix.altpeter.me; docs/settings.md explains all of them."""

matrix = {
    "server_name": "matrix.altpeter.me",
    "aliases": ["altpeter.me"],
    "report_stats": True,
    "well_known": {"identity_server": "https://vector.im"},
    "uploads": {"max_size": "2G"},
    # Mail needs the password of the mailbox, in a file on the machine that deploys:
    #   smtp_password_file = "~/.config/altpeter-matrix/smtp_password"
    # "email": {
    #     "smtp_host": "smtp.eu.mailgun.org",
    #     "username": "synapse@mail.altpeter.me",
    #     "from": "Synapse on matrix.altpeter.me <noreply@mail.altpeter.me>",
    # },
}
