"""A newer Synapse: tried before it is installed, watched afterwards, undone when it is wrong.

Knows nothing of adoptions (`adopt`) or of the move to a newer PostgreSQL (`database`).
"""
