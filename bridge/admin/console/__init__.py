"""The console for operators in a browser.

Its pages show the answers of the verbs of :mod:`bridge.admin.control`, and its buttons run verbs.
It can do the same as the commands and the API, and nothing else.
"""
