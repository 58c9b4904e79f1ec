"""A strict stand-in for the Cascade API, to try and test against.

It accepts what the provider's document allows and refuses the rest with the documented bodies,
moves statuses on by itself, shows what it got, and breaks in the ways that :data:`FAULTS` lists.
It shares no code with the bridge's own client, so that the two check each other.
"""

from bridge.sandbox.faults import FAULTS, Fault, FaultError, fault_from_text, make_fault
from bridge.sandbox.ledger import Received, Seen
from bridge.sandbox.sandbox import Sandbox

__all__ = [
    "FAULTS",
    "Fault",
    "FaultError",
    "Received",
    "Sandbox",
    "Seen",
    "fault_from_text",
    "make_fault",
]
