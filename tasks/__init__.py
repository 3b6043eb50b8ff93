"""The deploy: what deploy.py is made of.

Runs on the administrator's machine; on a host only what `observe` and `operations` send there.
"""
