"""Receipts and messages from phones, as PDUs to the receivers of an account."""
