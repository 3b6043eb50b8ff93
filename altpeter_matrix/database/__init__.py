"""The move of Synapse's database to a newer PostgreSQL, and back.

Knows nothing of adoptions (`adopt`) or of upgrades of Synapse (`upgrade`).
"""
