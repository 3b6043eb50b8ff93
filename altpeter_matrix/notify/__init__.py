"""Telling people what is wrong with their server: what, by which ways, what has to wait."""
