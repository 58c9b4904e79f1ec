"""SMPP servers to measure beside the bridge: one that only answers, and Jasmin with what it needs.

Jasmin answers when RabbitMQ has the message; its connector sends it on to the server that only
answers. Nothing of it is durable, and nobody waits for the operator.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

from tests.benchmarks.harness import await_port, cpu_seconds, running
from tests.benchmarks.peers import Peer
from tests.support import free_port

NODE = """
const smpp = require('smpp');
let id = 0;
smpp.createServer((session) => {
  for (const bind of ['bind_transceiver', 'bind_transmitter', 'bind_receiver'])
    session.on(bind, (pdu) => session.send(pdu.response()));
  session.on('submit_sm', (pdu) => session.send(pdu.response({ message_id: String(++id) })));
  session.on('enquire_link', (pdu) => session.send(pdu.response()));
  session.on('unbind', (pdu) => { session.send(pdu.response()); session.close(); });
  session.on('error', () => {});
}).listen(Number(process.argv[1]), '127.0.0.1');
"""
#: What the administrator of Jasmin types: a connector to another server, a user, a route.
JCLI = """
smppccm -a
cid sink
host 127.0.0.1
port {sink}
username bench
password bench
bind transceiver
submit_throughput 0
ok
smppccm -1 sink
group -a
gid bench
ok
user -a
username bench
password bench
gid bench
uid bench
smpps_cred quota max_bindings 100
ok
mtrouter -a
type DefaultRoute
connector smppc(sink)
rate 0
ok
"""


@contextmanager
def node_smpp(folder: Path) -> Iterator[Peer]:
    """node-smpp with a handler that only answers."""
    port = free_port()
    command = ["node", "-e", NODE, str(port)]
    with running(command, port, folder / "node.log") as process:
        yield Peer(port, partial(cpu_seconds, process.pid))


@contextmanager
def jasmin(folder: Path) -> Iterator[Peer]:
    """Jasmin, Redis and RabbitMQ; the CPU time is that of all three."""
    root = folder / "jasmin"
    for name in ("etc/jasmin/store", "etc/jasmin/resource", "var/log/jasmin"):
        (root / name).mkdir(parents=True)
    python = _jasmin_python()
    assert python is not None
    [spec] = python.parents[1].glob("lib/*/site-packages/txamqp/specs/standard/amqp0-9-1*.xml")
    shutil.copy(spec, root / "etc/jasmin/resource/amqp0-9-1.xml")
    (root / "jasmin.cfg").write_text("[sm-listener]\n")
    redis, rabbit, smpp, jcli = (free_port() for _ in range(4))
    with ExitStack() as stack:
        command = ["redis-server", "--port", str(redis), "--save", "", "--dir", str(root)]
        processes = [stack.enter_context(running(command, redis, root / "redis.log"))]
        processes.append(stack.enter_context(_rabbitmq(root, rabbit)))
        sink = stack.enter_context(node_smpp(folder))
        ports = {
            "SMPP_SERVER_PORT": smpp,
            "JCLI_PORT": jcli,
            "REDIS_CLIENT_PORT": redis,
            "AMQP_BROKER_PORT": rabbit,
            **dict.fromkeys(("HTTP_API_PORT", "ROUTER_PORT", "CLIENT_MANAGEMENT_PORT"), 0),
        }
        others = {name: str(port or free_port()) for name, port in ports.items()}
        command = ["env", *(f"{name}={value}" for name, value in others.items())]
        command += [f"ROOT_PATH={root}", str(python), str(python.with_name("jasmind.py"))]
        command += ["-c", str(root / "jasmin.cfg")]
        process = stack.enter_context(running(command, smpp, root / "jasmin.log"))
        await_port(jcli, process)
        _type(jcli, ["jcliadmin", "jclipwd", *JCLI.format(sink=sink.port).strip().splitlines()])
        processes.append(process)
        yield Peer(smpp, lambda: sum(_cpu_of(process.pid) for process in processes))


@contextmanager
def _rabbitmq(root: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    settings = {
        "RABBITMQ_NODE_PORT": port,
        "RABBITMQ_DIST_PORT": free_port(),
        "RABBITMQ_NODENAME": f"bench{port}@localhost",
        "RABBITMQ_MNESIA_BASE": root / "mnesia",
        "RABBITMQ_LOG_BASE": root / "rabbitmq",
        "RABBITMQ_CONF_ENV_FILE": "/dev/null",
        "RABBITMQ_ENABLED_PLUGINS_FILE": "/dev/null",
    }
    command = ["env", *(f"{name}={value}" for name, value in settings.items())]
    command.append("/usr/lib/rabbitmq/bin/rabbitmq-server")
    with running(command, port, root / "rabbitmq.log") as process:
        yield process


def _type(port: int, lines: list[str]) -> None:
    """Types lines at Jasmin's console, each when it has asked for it."""
    with socket.create_connection(("127.0.0.1", port), 10) as console:
        for line in lines:
            console.sendall(line.encode() + b"\r\n")
            time.sleep(0.2)
        # The connector binds.
        time.sleep(2)


def _cpu_of(pid: int) -> float:
    """What a process and its living children have run so far."""
    children = Path(f"/proc/{pid}/task/{pid}/children")
    found = children.read_text().split() if children.exists() else []
    return cpu_seconds(pid) + sum(_cpu_of(int(child)) for child in found)


def _jasmin_python() -> Path | None:
    found = shutil.which("jasmind.py")
    return Path(found).with_name("python") if found else None


def _has_node_smpp() -> bool:
    return (
        bool(shutil.which("node"))
        and not subprocess.run(
            ["node", "-e", "require('smpp')"], capture_output=True, check=False
        ).returncode
    )


def can_run(peer: Callable[[Path], object]) -> bool:
    """Whether all that it needs is installed; RabbitMQ's own script wants root."""
    if peer is jasmin:
        server = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
        there = shutil.which("redis-server") and server.exists() and _jasmin_python()
        return bool(there) and _has_node_smpp() and os.geteuid() == 0
    return _has_node_smpp()


#: By the name in the table.
PEERS = {"node-smpp, only answers": node_smpp, "Jasmin, Redis, RabbitMQ": jasmin}
