"""Mails of our own: reports, messages from phones, and their way to the smarthost."""
