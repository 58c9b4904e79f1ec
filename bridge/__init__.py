"""A gateway from SMTP and SMPP to the SMSBAT Cascade API."""
