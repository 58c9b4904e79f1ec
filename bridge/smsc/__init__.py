"""The SMSC dialect over HTTP: its requests, and its answers in the four formats."""
