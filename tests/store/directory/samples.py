"""Contacts for tests of the directory in the store."""

from __future__ import annotations

from bridge.model.contact import Contact

ANNA = Contact(
    0, ("+380501234567", "+380501234568"), "Anna", birthday="01.02.1990", comments="a\n%_!"
)
BORIS = Contact(0, ("+380671112233",), "Борис", client_id="7", tags="Ніч")
