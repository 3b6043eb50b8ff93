"""``make bench``: how fast the deploy and the host tool are, as ratios from one run."""
