"""A strict stand-in for the Cascade API, to try and test against.

It accepts only requests that the provider's document allows and refuses others with the documented
bodies. Statuses change by themselves, received messages can be listed, and :data:`FAULTS` can be
switched on. It shares no code with the bridge's own client, so that the two check each other.
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
