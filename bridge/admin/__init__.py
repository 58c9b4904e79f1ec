"""HTTP for people and machines: what SMSBAT calls."""
