"""What is done on a host: pyinfra's operations, each with the commands that bring one thing about.

By what was observed and decided alone; none asks a host again.
"""
