"""Third-party receivers as separate programs, written as their users do.

node-smpp, smpplib and Net::SMPP: each submits, receives, and reconnects after a broken connection.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

from tests.smpp.test_net_smpp import perl
from tests.support import node_package

# Commands on standard input, one per line: "submit PHONE", "unbind" and "drop" (it disconnects, by
# unbind or by closing, and stays away), "bind" (it binds again). It writes what it receives as
# lines of JSON. Handling a receipt takes it 10 ms.

NODE = r"""
const smpp = require('smpp');
const [port, ...binds] = process.argv.slice(1);
const say = (heard) => console.log(JSON.stringify(heard));
const sessions = {};
let away = false;
function open(bind) {
  const session = sessions[bind] = smpp.connect({
    url: 'smpp://127.0.0.1:' + port, auto_enquire_link_period: 10000,
  }, () => {
    session['bind_' + bind]({system_id: 'crm', password: 'secret12'}, (pdu) => {
      if (pdu.command_status) session.close(); else say({bound: 1});
      session.bound = !pdu.command_status;
    });
  });
  session.on('deliver_sm', (pdu) => {
    say({id: pdu.receipted_message_id, state: pdu.message_state, esm_class: pdu.esm_class,
         phone: pdu.source_addr, sender: pdu.destination_addr, text: pdu.short_message.message});
    setTimeout(() => session.send(pdu.response()), 10);
  });
  session.on('enquire_link', (pdu) => session.send(pdu.response()));
  session.on('unbind', (pdu) => { session.send(pdu.response()); session.close(); });
  session.on('error', () => {});  // 'close' comes next
  session.on('close', () => {
    if (session.bound) say({bound: -1});
    if (!away) setTimeout(open, 100, bind);
  });
}
binds.forEach(open);
const commands = {
  submit: (phone) => (sessions.transceiver || sessions.transmitter).submit_sm(
    {source_addr: 'Shop', destination_addr: phone, dest_addr_ton: 1, registered_delivery: 1,
     short_message: 'Hello'},
    (pdu) => say({phone, status: pdu.command_status, message_id: pdu.message_id})),
  unbind: () => {
    away = true;
    for (const session of Object.values(sessions)) session.unbind(() => session.close());
  },
  drop: () => { away = true; Object.values(sessions).forEach((session) => session.destroy()); },
  bind: () => { away = false; binds.forEach(open); },
};
require('readline').createInterface({input: process.stdin}).on('line', (line) => {
  const [command, ...words] = line.split(' ');
  commands[command](...words);
}).on('close', () => process.exit(0));
"""

SMPPLIB = r"""
import json, queue, sys, threading, time
from smpplib.client import Client
from smpplib.exceptions import ConnectionError, PDUError

commands = queue.Queue()
def listen():
    for line in sys.stdin:
        commands.put(line.split())
    commands.put(["end"])
threading.Thread(target=listen, daemon=True).start()

def say(**heard):
    print(json.dumps(heard), flush=True)

def sent(pdu):
    say(phone=phones[pdu.sequence], status=pdu.status, message_id=pdu.message_id.decode())

def received(pdu):
    say(id=pdu.receipted_message_id.rstrip(b"\0").decode(), state=pdu.message_state,
        esm_class=pdu.esm_class, phone=pdu.source_addr.decode(),
        sender=pdu.destination_addr.decode(), text=pdu.short_message.decode())
    time.sleep(0.01)

client = Client("127.0.0.1", sys.argv[1], timeout=30, allow_unknown_opt_params=True)
client.set_message_sent_handler(sent)
client.set_message_received_handler(received)
phones, bound, away = {}, False, False

def close():
    global bound
    client.disconnect()
    if bound:
        say(bound=-1)
    bound = False

while True:
    try:
        if not (bound or away):
            client.connect()
            client.bind_transceiver(system_id="crm", password="secret12")
            bound = True
            say(bound=1)
        if bound:
            client.poll()
        command, *words = commands.get(timeout=0.01)
        if command == "submit":
            pdu = client.send_message(
                source_addr="Shop", dest_addr_ton=1, destination_addr=words[0],
                registered_delivery=1, short_message=b"Hello")
            phones[pdu.sequence] = words[0]
        elif command in ("unbind", "drop"):
            away = True
            if command == "unbind":
                client.unbind()
            close()
        elif command == "bind":
            away = False
        elif command == "end":
            break
    except queue.Empty:
        pass
    except (ConnectionError, PDUError):
        close()
        time.sleep(0.1)
"""

PERL = r"""
use strict; use warnings;
use IO::Select; use JSON::PP; use Net::SMPP; use Time::HiRes 'sleep';
$| = 1;
local $SIG{__WARN__} = sub {};  # it warns of every end of a connection
local $SIG{PIPE} = 'IGNORE';
my ($port) = @ARGV;
my ($smpp, $away, %phones) = (undef, 0);
sub say_json { print encode_json({@_}), "\n" }
sub gone { return unless $smpp; close $smpp; undef $smpp; say_json(bound => -1) }
sub come {
  my ($new, $resp) = Net::SMPP->new_transceiver('127.0.0.1', port => $port, smpp_version => 0x34,
    interface_version => 0x34, system_id => 'crm', password => 'secret12', async => 0);
  return sleep 0.1 unless $new && $resp && !$resp->{status};
  $smpp = $new;
  say_json(bound => 1);
}
sub hear {
  my $pdu = $smpp->read_pdu() or return gone();
  if ($pdu->{cmd} == Net::SMPP::CMD_submit_sm_resp) {
    say_json(phone => $phones{$pdu->{seq}}, status => $pdu->{status},
      message_id => $pdu->{message_id});
  } elsif ($pdu->{cmd} == Net::SMPP::CMD_deliver_sm) {
    my $id = $pdu->{receipted_message_id}; $id =~ s/\0$//;
    say_json(id => $id, state => ord $pdu->{message_state}, esm_class => $pdu->{esm_class},
      phone => $pdu->{source_addr}, sender => $pdu->{destination_addr},
      text => $pdu->{short_message});
    sleep 0.01;
    $smpp->deliver_sm_resp(message_id => '', seq => $pdu->{seq}, status => 0);
  } elsif ($pdu->{cmd} == Net::SMPP::CMD_enquire_link) {
    $smpp->enquire_link_resp(seq => $pdu->{seq});
  } elsif ($pdu->{cmd} == Net::SMPP::CMD_unbind) {
    $smpp->unbind_resp(seq => $pdu->{seq});
    gone();
  }
}
my $told = '';
sub act {
  sysread(STDIN, $told, 65536, length $told) or exit 0;
  while ($told =~ s/^(\w+) ?(.*)\n//) {
    my ($command, $phone) = ($1, $2);
    if ($command eq 'submit') {
      my $seq = $smpp->submit_sm(source_addr => 'Shop', destination_addr => $phone,
        dest_addr_ton => 1, registered_delivery => 1, short_message => 'Hello', async => 1);
      $phones{$seq} = $phone;
    } else {
      $away = $command ne 'bind';
      $smpp->unbind() if $command eq 'unbind';
      gone() if $away;
    }
  }
}
while (1) {
  come() unless $smpp || $away;
  my $select = IO::Select->new(\*STDIN, $smpp // ());
  for my $readable ($select->can_read(0.1)) {
    if ($readable == \*STDIN) { act() } elsif ($smpp) { hear() }
  }
}
"""


class Program(NamedTuple):
    """The command of a client, to which its port is added, and its number of binds."""

    command: Callable[[], list[str]]
    binds: tuple[str, ...] = ()


PROGRAMS = {
    "node-smpp": Program(lambda: [node_package("smpp"), "-e", NODE], ("transceiver",)),
    "node-smpp, two binds": Program(
        lambda: [node_package("smpp"), "-e", NODE], ("transmitter", "receiver")
    ),
    "smpplib": Program(lambda: [sys.executable, "-c", SMPPLIB]),
    "Net::SMPP": Program(lambda: [perl(), "-e", PERL]),
}


class Client:
    """A client's program: its received receipts, and its commands."""

    def __init__(self, process: asyncio.subprocess.Process, binds: int) -> None:
        self.binds = 0
        self.ids: dict[str, str] = {}  # id in the answer → phone
        self.receipts: list[dict[str, Any]] = []
        self._process = process
        self._most_binds = binds
        self._grown = asyncio.Condition()
        self._ended = False
        self._reader = asyncio.create_task(self._read())

    async def _read(self) -> None:
        assert self._process.stdout is not None
        try:
            async for line in self._process.stdout:
                async with self._grown:
                    self._note(json.loads(line))
                    self._grown.notify_all()
        finally:
            async with self._grown:
                self._ended = True
                self._grown.notify_all()

    def _note(self, heard: dict[str, Any]) -> None:
        if "bound" in heard:
            self.binds += heard["bound"]
        elif "status" in heard:
            assert heard["status"] == 0, heard
            self.ids[heard["message_id"]] = heard["phone"]
        else:
            self.receipts.append(heard)

    async def until(self, met: Callable[[], object]) -> None:
        async with asyncio.timeout(120), self._grown:
            while not met():
                assert not self._ended, "the client ended"
                await self._grown.wait()

    def do(self, *commands: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write("".join(f"{command}\n" for command in commands).encode())

    async def submit(self, phones: Sequence[str]) -> set[str]:
        """Submits a message to each phone; returns the ids in the answers."""
        known = len(self.ids)
        self.do(*(f"submit {phone}" for phone in phones))
        await self.until(lambda: len(self.ids) == known + len(phones))
        return set(list(self.ids)[known:])

    async def bound(self) -> None:
        await self.until(lambda: self.binds == self._most_binds)

    async def unbound(self) -> None:
        await self.until(lambda: self.binds == 0)

    def heard(self) -> Counter[str]:
        """Id → the number of receipts."""
        return Counter(receipt["id"] for receipt in self.receipts)

    def heard_twice(self) -> set[str]:
        times = self.heard()
        assert set(times.values()) <= {1, 2}
        return {id for id in times if times[id] == 2}

    async def hears(self, ids: set[str], count: int | None = None) -> None:
        """Waits until it has receipts of all these ids, or this number of receipts."""
        wanted = len(ids) if count is None else count
        await self.until(lambda: len(ids & self.heard().keys()) >= wanted)

    async def close(self) -> None:
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()
        await self._reader


@asynccontextmanager
async def client(program: Program, port: int) -> AsyncIterator[Client]:
    process = await asyncio.create_subprocess_exec(
        *(*program.command(), str(port), *program.binds),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    running = Client(process, len(program.binds) or 1)
    try:
        yield running
    finally:
        await running.close()
