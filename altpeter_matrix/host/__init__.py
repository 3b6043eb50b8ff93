"""The host under the programs: links in /etc, drop-ins, certificates, addresses, backups.

And what a host must be.
"""
