"""The console: what an operator sees and does in a browser.

It has no verbs of its own: pages show what the verbs of :mod:`bridge.admin.control` answer, and
buttons run them, so that the console can do what the commands and the API can do, and nothing else.
"""
