"""Tests of the Debian package itself: how it is built, what is in it, what dpkg does with it."""
