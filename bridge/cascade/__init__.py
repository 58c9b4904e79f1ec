"""The Cascade API: the client, its wire format, the meaning of answers."""
