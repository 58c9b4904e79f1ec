"""Tells the service manager the daemon's state: systemd's sd_notify(3), without its library."""

from __future__ import annotations

import os
import socket


def watchdog_interval() -> float:
    """The interval in which the service manager expects ``WATCHDOG=1`` (seconds); 0: none."""
    for_us = os.environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
    return int(os.environ.get("WATCHDOG_USEC", "0")) / 1e6 if for_us else 0.0


def notify(state: str) -> None:
    """Sends ``READY=1``, ``STOPPING=1`` …; does nothing without a service manager."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    # A leading "@" stands for the NUL of an abstract address.
    name = "\0" + address[1:] if address.startswith("@") else address
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
        sender.sendto(state.encode(), name)
