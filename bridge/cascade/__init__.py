"""HTTP out: the Cascade client, its wire format, batches and rate."""
