"""SMPP without I/O: PDUs, their layouts, alphabets, times, and the rules of a session."""
