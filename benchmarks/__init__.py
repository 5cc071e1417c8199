"""Measurements against peers, each a command of its own; see the README's section on speed."""

from zeroshot._utils._threads import wait_passively

wait_passively()  # before a benchmark imports torch; the peers' threads wait likewise
