"""What every listener shares: HTTP, proxies, networks, rates, the service manager."""
