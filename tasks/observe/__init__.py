"""What a host is like: the scripts and questions that look at it, and their answers with types.

Changes nothing on a host, and never judges what it sees.
"""
