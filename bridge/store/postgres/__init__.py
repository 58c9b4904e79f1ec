"""The PostgreSQL engine: one database, up to 64 nodes."""
