"""What a stop of Synapse waits for, and who waits for its start. Run by systemd's units."""
