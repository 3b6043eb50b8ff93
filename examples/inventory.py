"""An inventory for anybody: `pyinfra examples/inventory.py deploy.py`.

Copy this folder, put in your host, and change the settings in group_data/homeserver.py.
"""

homeserver = [("matrix.example.org", {"ssh_user": "root"})]
