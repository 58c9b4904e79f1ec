"""Who may send, from where, and how much."""
