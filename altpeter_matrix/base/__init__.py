"""Files, processes, locks, errors: what would serve any package. Imports nothing above itself."""
