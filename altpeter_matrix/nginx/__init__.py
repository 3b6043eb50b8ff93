"""nginx: its main file, its syntax, its own check. The site itself is rendered (`render`)."""
