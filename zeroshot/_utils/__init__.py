"""Plumbing that every part may use."""
