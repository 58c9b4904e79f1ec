"""HTTP for operators, monitoring and SMSBAT: API, console, metrics, health, webhooks."""
