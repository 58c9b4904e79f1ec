"""A strict stand-in for the Cascade API."""
