"""Emergence probes: they read, they never train."""
