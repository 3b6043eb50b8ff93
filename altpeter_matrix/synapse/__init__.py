"""Synapse: its files, its identity and secrets, its own check, and talking to it."""
