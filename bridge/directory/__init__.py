"""Contacts, groups, the black list and templates of an account."""
