"""The SQLite engine: one file, one daemon."""
