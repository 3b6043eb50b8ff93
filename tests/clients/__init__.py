"""What people point at a homeserver: two client libraries, raw HTTP, a federation checker.

None of it knows the lab. Each client is told where a homeserver is (name, address, CA) and
connects there with the right server name, verifying the certificate, whatever DNS says.
"""
