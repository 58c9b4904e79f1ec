"""SMPP: the protocol, the listener, and the receipts and messages to receivers."""
