"""Kinds of inserted material, as text. No torch."""
