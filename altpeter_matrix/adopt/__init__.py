"""Taking over a server that was set up by hand, and giving it back.

Knows nothing of upgrades of Synapse (`upgrade`) or of PostgreSQL (`database`).
"""
