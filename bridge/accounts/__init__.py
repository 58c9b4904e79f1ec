"""Accounts: logins, networks, limits."""
