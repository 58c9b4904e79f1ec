"""A bridge under load while everything around it breaks, and invariants that must hold afterwards.

    python -m tests.chaos --engine postgres --faults 1000 --seed 7

The seed decides the order of faults and the clients' actions; which request meets which fault
depends on the machine.
"""
