"""The bridge's own mails: reports, messages from phones, and their delivery to the smarthost."""
