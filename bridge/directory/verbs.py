"""The verbs of the directory, for the rooms that must not import the store.

Run them with :class:`bridge.directory.directory.Directory`.
"""

from bridge.store.directory.black_list import (
    add_to_black_list,
    delete_from_black_list,
    list_black_list,
    start_bulk,
    stop_bulk,
)
from bridge.store.directory.calls import count_call
from bridge.store.directory.contacts import (
    Membership,
    add_contact,
    change_contact,
    delete_contacts,
    list_contacts,
    set_membership,
)
from bridge.store.directory.groups import (
    add_group,
    change_group,
    delete_group,
    find_group,
    list_groups,
    member_phones,
)
from bridge.store.directory.importing import Imported
from bridge.store.directory.staging import (
    SendOut,
    find_send_out,
    forget_send_out,
    list_send_outs,
)
from bridge.store.directory.templates import (
    add_template,
    change_template,
    delete_template,
    find_template,
    list_templates,
)
from bridge.store.references import incoming_of

__all__ = [
    "Imported",
    "Membership",
    "SendOut",
    "add_contact",
    "add_group",
    "add_template",
    "add_to_black_list",
    "change_contact",
    "change_group",
    "change_template",
    "count_call",
    "delete_contacts",
    "delete_from_black_list",
    "delete_group",
    "delete_template",
    "find_group",
    "find_send_out",
    "find_template",
    "forget_send_out",
    "incoming_of",
    "list_black_list",
    "list_contacts",
    "list_groups",
    "list_send_outs",
    "list_templates",
    "member_phones",
    "set_membership",
    "start_bulk",
    "stop_bulk",
]
