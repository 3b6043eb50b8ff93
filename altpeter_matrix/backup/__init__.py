"""The daily backup by restic, its way back, and the drill that shows that there is one."""
