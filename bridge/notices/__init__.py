"""What accounts are owed, and who takes it."""
