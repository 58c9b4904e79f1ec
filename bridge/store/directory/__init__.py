"""The directory in the store: its verbs, the same for both engines."""
