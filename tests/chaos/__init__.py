"""A bridge under load from all sides while everything around it breaks, and what must hold after.

    python -m tests.chaos --engine postgres --faults 1000 --seed 7

The seed decides which faults come in which order and what the clients do; when a request meets
which fault is up to the machine.
"""
