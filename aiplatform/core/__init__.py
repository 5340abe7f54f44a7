"""Ids, clock, errors, settings, plug-in hooks and the message catalogue. Knows no framework."""
