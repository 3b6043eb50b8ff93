"""Looks at the server each few minutes, and tells what changed."""
