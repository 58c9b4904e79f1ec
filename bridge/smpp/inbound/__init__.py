"""The SMPP listener: connections and what their requests become."""
