"""What the API says later: statuses and messages from phones."""
