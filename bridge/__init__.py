"""A gateway from SMTP and SMPP to the SMSBAT Cascade API."""

__version__ = "0.2.0"
