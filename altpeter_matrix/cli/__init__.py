"""The command line and what apt calls: thin, one function each. Decides nothing."""
