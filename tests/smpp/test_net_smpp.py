"""Net::SMPP (Perl) as a client: every command, 3.4 and 3.3."""

from __future__ import annotations

import json
import subprocess
from typing import Any

import pytest

from bridge.model.failure import Failure, Reason
from bridge.model.message import Accepted, Outcome, State, Stored, Submission
from bridge.smpp.protocol.command_status import CommandStatus
from tests.samples import NOW, message
from tests.smpp.peer import FIRST_ID, bridge
from tests.smpp.programs import answers_of
from tests.support import program

SCRIPT = r"""
use strict; use warnings;
use Net::SMPP; use JSON::PP;
my ($port, $version, $work) = ($ARGV[0], hex $ARGV[1], decode_json($ARGV[2]));
my ($smpp, $bound) = Net::SMPP->new_transmitter('127.0.0.1', port => $port,
    smpp_version => 0x34, interface_version => $version, system_id => 'crm', password => 'secret')
  or die "no connection: $!";
my @answers = ({%$bound{qw(status system_id)}});
for my $request (@$work) {
  my ($command, %fields) = @$request;
  $fields{$_} = pack 'H*', $fields{$_} for grep { /short_message|payload/ } keys %fields;
  my $resp = $smpp->$command(%fields) or die "$command: no answer";
  push @answers, {map { ($_ => $resp->{$_}) } grep { defined $resp->{$_} }
    qw(cmd status message_id final_date message_state error_code
       no_unsuccess destination_addr error_status_code)};
}
my $resp = $smpp->unbind();
push @answers, {status => $resp->{status}};
print encode_json(\@answers);
"""


def perl() -> str:
    """The interpreter, if it has the module."""
    found = program("perl")
    if subprocess.run([found, "-MNet::SMPP", "-e", "1"], capture_output=True).returncode:
        program("Net::SMPP of Perl (libnet-smpp-perl)")
    return found


async def net_smpp(port: int, *work: Any, version: str = "34") -> list[dict[str, Any]]:
    """The answers to the client's bind, requests and unbind."""
    answers = await answers_of(perl(), "-e", SCRIPT, str(port), version, json.dumps(work))
    assert answers[0]["status"] == answers[-1]["status"] == 0
    return answers[1:-1]


TO = ("destination_addr", "380501234567", "dest_addr_ton", 1)


async def test_net_smpp_submits_and_asks_what_became_of_it() -> None:
    async with bridge() as running:
        id = str(FIRST_ID)
        sent = Stored(message(FIRST_ID), State.DELIVERED, "up", NOW, "", "")
        running.relay.known[FIRST_ID] = [sent]
        text = "Привіт 😀".encode("utf-16-be").hex()
        answers = await net_smpp(
            running.port,
            ["submit_sm", *TO, "data_coding", 8, "short_message", text],
            ["data_sm", *TO, "message_payload", b"data".hex()],
            ["query_sm", "message_id", id],
            ["cancel_sm", "message_id", id, *TO],
            ["replace_sm", "message_id", id, "short_message", b"new".hex()],
            ["query_sm", "message_id", "17"],
            ["enquire_link"],
        )
        assert [a["status"] for a in answers] == [0, 0, 0, 0, 0, CommandStatus.ESME_RQUERYFAIL, 0]
        assert [a["message_id"] for a in answers[:3]] == [id, str(FIRST_ID + 1), id]
        assert (answers[2]["message_state"], answers[2]["final_date"]) == (2, "260101000000000+")
        assert [s.text for s in running.relay.submissions] == ["Привіт 😀", "data"]
        asked = [verb for verb, *_ in running.relay.asked]
        assert asked == ["query", "cancel", "query", "replace", "query"]


async def test_net_smpp_reads_which_destinations_got_nothing() -> None:
    def answer(submission: Submission) -> Outcome:
        refused = [(to, Failure(Reason.WRONG_PHONE)) for to in submission.recipients[1:]]
        return Accepted(FIRST_ID, 1, refused=tuple(refused))

    async with bridge() as running:
        running.relay.answer = answer
        to = ["destination_addr", ["380501234567", "12", "34"], "short_message", b"hi".hex()]
        [resp] = await net_smpp(running.port, ["submit_multi", *to])
        assert (resp["status"], resp["message_id"]) == (0, str(FIRST_ID))
        assert resp["no_unsuccess"] == 2
        assert resp["destination_addr"] == ["12", "34"]
        assert resp["error_status_code"] == [CommandStatus.ESME_RINVDSTADR] * 2


@pytest.mark.parametrize(("version", "id"), [("33", "0BADCAFE"), ("34", str(FIRST_ID))])
async def test_net_smpp_gets_ids_that_its_version_has_room_for(version: str, id: str) -> None:
    async with bridge() as running:
        submit = ["submit_sm", *TO, "short_message", b"hi".hex()]
        [resp] = await net_smpp(running.port, submit, version=version)
        assert resp["message_id"] == id
