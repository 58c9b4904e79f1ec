"""Traces: the story of a message or of a part."""
