"""Shared by the listeners: HTTP, proxies, networks, rates, the service manager."""
