"""What operators ask of the store: its verbs, the same for both engines."""
