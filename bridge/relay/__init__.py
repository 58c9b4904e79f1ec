"""The relay: submissions become durable messages, and each client gets the outcome."""
