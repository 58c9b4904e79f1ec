"""SMTP: the listener, the reading of mails, and the bridge's own mails."""
