"""A run of the deploy as a whole: the survey of all hosts before the first operation, and the
report after the last. Changes nothing on a host."""
