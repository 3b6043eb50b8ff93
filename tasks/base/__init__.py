"""Where things are on a host and in the checkout, and what packages are called: what all parts of
the deploy agree on. Imports nothing of the deploy."""
