"""The one door: submissions become durable messages, and each gets its outcome."""
