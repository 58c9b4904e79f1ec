"""Mail in: listener, mail to messages, outcome to reply."""
