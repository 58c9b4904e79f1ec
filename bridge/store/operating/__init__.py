"""Verbs of the store for operators, the same for both engines."""
