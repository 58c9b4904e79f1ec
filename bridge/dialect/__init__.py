"""The SMSC dialect: common to its mails, its HTTP calls and the commands."""
