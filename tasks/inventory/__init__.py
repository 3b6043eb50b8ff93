"""What the administrator wants: the inventory's data of a host, checked once and then frozen.

Never asks a host.
"""
