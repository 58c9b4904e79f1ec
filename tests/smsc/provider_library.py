"""A client that behaves like the provider's own libraries.

It uses the number format, sends the MD5 of its password, requests cost and balance with each
submission, posts calls that are too long for a URL, retries after an empty answer, and splits
answers at commas.
"""

from __future__ import annotations

import hashlib
from typing import Any
from urllib.parse import quote, urlencode

import httpx

#: The longest URL; longer calls are posted (octets).
LONGEST_URL = 2000
TRIES = 5
#: The number of fields of a full status; further commas belong to the text.
FIELDS = {1: 9, 2: 12}


class ProviderLibrary:
    """Calls ``url``, which ends in ``/sys/``. A refusal is ``[id or 0, -code]``."""

    def __init__(self, url: str, login: str, password: str) -> None:
        self._url = url
        self._login = {"login": login, "psw": hashlib.md5(password.encode()).hexdigest()}
        self._client = httpx.Client(timeout=30)
        #: The method of each call, and its number of tries.
        self.methods: list[str] = []

    def close(self) -> None:
        self._client.close()

    def send_sms(self, phones: str, message: str, **more: Any) -> list[str]:
        """``[id, parts, cost, balance]``."""
        fields = {"cost": 3, "phones": phones, "mes": message, "translit": 0, "id": 0}
        return self._call("send", fields | more).split(",")

    def get_sms_cost(self, phones: str, message: str) -> list[str]:
        """``[cost, parts]``."""
        return self._call("send", {"cost": 1, "phones": phones, "mes": message}).split(",")

    def get_status(self, id: str, phone: str, all: int = 0) -> list[str] | list[list[str]]:
        """The fields of a status; of a list, those of each."""
        answer = self._call("status", {"phone": phone, "id": id, "all": all})
        if "," in id:
            lines = answer.split("\n")
            if len(lines) == 1 and lines[0].find("-") == 2:
                return lines[0].split(",")
            return [line.split(",") for line in lines]
        fields = answer.split(",")
        if all and len(fields) > 9:
            fields = ",".join(fields).split(",", FIELDS[all] - 1)
        return fields

    def get_balance(self) -> str | list[str]:
        """The balance; a second field makes it a refusal."""
        fields = self._call("balance", {}).split(",")
        return fields[0] if len(fields) == 1 else fields

    def _call(self, name: str, fields: dict[str, Any]) -> str:
        query = urlencode(
            {**self._login, "fmt": 1, "charset": "utf-8", **fields}, quote_via=quote, safe=""
        )
        for _ in range(TRIES):
            if answer := self._ask(name, query):
                return answer
        raise AssertionError("nothing but empty answers")

    def _ask(self, name: str, query: str) -> str:
        url = f"{self._url}{name}.php"
        if len(url) + 1 + len(query) > LONGEST_URL:
            self.methods.append("POST")
            form = {"Content-Type": "application/x-www-form-urlencoded"}
            return self._client.post(url, content=query, headers=form).text
        self.methods.append("GET")
        return self._client.get(f"{url}?{query}").text
