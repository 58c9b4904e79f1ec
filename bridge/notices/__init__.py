"""Notices that wait for their account, and the subscribers that take them."""
