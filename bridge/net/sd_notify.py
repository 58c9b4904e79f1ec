"""Tells the service manager how we are: systemd's sd_notify(3), without its library."""

from __future__ import annotations

import os
import socket


def watchdog_interval() -> float:
    """Within how many seconds the service manager wants ``WATCHDOG=1``; 0 where it does not."""
    for_us = os.environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
    return int(os.environ.get("WATCHDOG_USEC", "0")) / 1e6 if for_us else 0.0


def notify(state: str) -> None:
    """Sends ``READY=1``, ``STOPPING=1`` …; does nothing where no service manager listens."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    # A leading "@" stands for the NUL of an abstract address.
    name = "\0" + address[1:] if address.startswith("@") else address
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
        sender.sendto(state.encode(), name)
