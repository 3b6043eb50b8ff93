"""altpeter-matrix: a Matrix homeserver's configuration, rendered, proved and put in place."""
