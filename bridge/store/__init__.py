"""What must survive: one interface, its engines."""
