"""A mail to its text and its wishes. No I/O."""
