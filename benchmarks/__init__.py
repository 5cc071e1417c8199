"""Measurements against peers, each a command of its own; see the README's section on speed."""
