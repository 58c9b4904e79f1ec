"""The SMPP listener: connections and their requests."""
