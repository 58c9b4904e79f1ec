"""What must survive. The face of the store: other rooms import from here and from ``engines``."""

from bridge.store.errors import (
    LeaseLost,
    SchemaTooNew,
    StoreError,
    StoreFull,
    StoreInUse,
)
from bridge.store.interface import Store
from bridge.store.types import (
    Acceptance,
    Alias,
    AnsweredIncoming,
    Change,
    Event,
    Fingerprint,
    Gathered,
    Lane,
    Noted,
    Part,
    PartGroup,
    Receivers,
    Repeats,
    Replacement,
    Status,
    Story,
)

__all__ = [
    "Acceptance",
    "Alias",
    "AnsweredIncoming",
    "Change",
    "Event",
    "Fingerprint",
    "Gathered",
    "Lane",
    "LeaseLost",
    "Noted",
    "Part",
    "PartGroup",
    "Receivers",
    "Repeats",
    "Replacement",
    "SchemaTooNew",
    "Status",
    "Store",
    "StoreError",
    "StoreFull",
    "StoreInUse",
    "Story",
]
