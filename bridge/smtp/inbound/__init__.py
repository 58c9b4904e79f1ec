"""The SMTP and LMTP listener: connections, commands, and mails on their way in."""
