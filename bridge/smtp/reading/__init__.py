"""Reads a mail: its text and its other fields → a submission. No I/O."""
