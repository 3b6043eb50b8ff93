"""apt and dpkg: repositories, their keys, pins, packages that are kept to go back to."""
