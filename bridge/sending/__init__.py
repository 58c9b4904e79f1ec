"""What waits, when it is posted to the API, and what becomes of it."""
