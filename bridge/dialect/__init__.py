"""The SMSC dialect: what its mails and its HTTP calls have in common."""
