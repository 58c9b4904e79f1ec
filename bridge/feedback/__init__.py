"""Feedback from the API: statuses and messages from phones."""
