"""SMPP in: PDU codec, session rules, server, alphabets."""
