"""Receipts and messages from phones, as PDUs for the receivers of an account."""
