"""Errors of the lab: what is wrong, where, and what to do about it."""

from __future__ import annotations


class LabError(RuntimeError):
    """Something in the lab did not work."""


class LabUnavailable(LabError):
    """This machine cannot run the lab; the message is one line and names what is missing."""
