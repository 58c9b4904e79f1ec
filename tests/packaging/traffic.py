"""A client that sends mails one after the other, each over a connection of its own.

    python traffic.py PORT FOLDER

Until the file ``stop`` is in the folder. The texts that were accepted are lines of ``accepted``,
all else that happened of ``troubles``. Runs without the package.
"""

import smtplib
import sys
from itertools import count
from pathlib import Path

port, folder = int(sys.argv[1]), Path(sys.argv[2])
with (folder / "accepted").open("w") as accepted, (folder / "troubles").open("w") as troubles:
    for number in count(1):
        if (folder / "stop").exists():
            break
        mail = f"Subject: -\r\n\r\ntext {number}\r\n"
        try:
            with smtplib.SMTP("127.0.0.1", port, timeout=60) as smtp:
                smtp.login("crm", "secret12")
                smtp.sendmail("crm@example.com", ["380501234567@sms.example.com"], mail)
                print(f"text {number}", file=accepted, flush=True)
        except (OSError, smtplib.SMTPException) as error:
            print(f"{type(error).__name__}: {error} (text {number})", file=troubles, flush=True)
