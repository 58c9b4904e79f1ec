"""The verb that uploads values of template variables to the API."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import orjson
from pydantic import Field

from bridge.admin.answers import Changed
from bridge.admin.queue_verbs import QueueVerbs
from bridge.model.failure import Failure, Reason
from bridge.sending.upstream import line_of
from bridge.sending.variables import upload


@dataclass(frozen=True, slots=True)
class Variable:
    """A value for ``%name=ID%``, ``%url=ID%`` or ``%short_url=ID%`` in texts. The API keeps the ids
    by its own account: what was uploaded before under an id is replaced."""

    id: Annotated[int, Field(ge=1, lt=1 << 31)]
    type: Literal["name", "url", "short_url"]
    value: Annotated[str, Field(min_length=1, max_length=10_000)]


class VariableVerbs(QueueVerbs):
    """Uploads with the credentials of an account's upstream."""

    async def upload_variables(
        self,
        *,
        by: str,
        account: str,
        variables: Annotated[list[Variable], Field(min_length=1, max_length=1000)],
    ) -> Changed:
        """Upload values of template variables, for an account with ``allow_variables``."""
        if not self.account(account).settings.allow_variables:
            raise Failure(Reason.PROHIBITED, f"{account} has no allow_variables")
        line = line_of(self._upstreams, account)
        await upload(line, orjson.dumps({"variables": variables}))
        self._audit("upload_variables", by, account=account, variables=len(variables))
        return Changed(len(variables))
