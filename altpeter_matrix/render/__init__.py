"""Settings and facts to files, and what is wrong with them. Pure: no host is read or written."""
