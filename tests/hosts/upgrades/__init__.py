"""The upgrade matrix: every upgrade, in every state of a host, in every way to do it."""
