"""Is this server well, and what should a person do if not? Changes nothing."""
