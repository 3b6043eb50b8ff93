"""Over a restart of Synapse: what its stop waits for, and who waits for its start. Run by systemd's
units, with nothing of ours but itself, so that it works whatever state the rest is in.

Not named `drain`: that is a module which units of 0.1 run, and while dpkg renames the files of a
package into its place, one by one, neither of the two could start.
"""
