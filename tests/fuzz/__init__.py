"""Inputs that no client would send, by the million."""
