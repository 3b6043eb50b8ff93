"""The way to a host: its SSH key, who we are there, root rights, secrets over stdin.

Knows nothing of Matrix, and leaves everything on the host as it is.
"""
