"""Sends waiting messages to the API: queues, pace, batches and their results."""
