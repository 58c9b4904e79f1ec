"""Third-party clients of the dialect, with only the host changed, and two written like others.

The clients' reading of answers and the API's messages are compared.
"""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.serving.daemon import run
from tests.smsc.calling import FIRST, SECOND, Smsc, smsc
from tests.smsc.provider_library import ProviderLibrary
from tests.smtp.conftest import Certificate, certificate  # noqa: F401 - a fixture
from tests.support import missing, node_package, program, usable

PRICES = 'prices = { UA = "0.4" }'
TEXT = "Ваш код: 1234, дякуємо"


def url_of(face: Smsc) -> str:
    return f"{face.client.base_url}/sys/"


def texts(face: Smsc) -> list[tuple[str, str]]:
    return [(message.phone.lstrip("+"), message.text) for message in face.sandbox.messages]


async def answers(*command: str) -> Any:
    """The last line of a script's output."""
    code, printed = await run(*command)
    assert code == 0, printed
    return json.loads(printed.splitlines()[-1])


def python_with(*packages: str) -> str:
    """The interpreter of the environment that ``.ci/run`` makes for these clients."""
    python = os.environ.get("SMSC_CLIENTS_PYTHON", "")
    if not python:
        missing("an environment with clients in Python (SMSC_CLIENTS_PYTHON)")
    usable(python, "-c", "import " + ", ".join(packages))
    return python


def php(extension: str) -> str:
    found = program("php")
    usable(found, "-r", f"exit((int) !extension_loaded('{extension}'));")
    return found


# --- node-smsc (npm) -----------------------------------------------------------------------------

NODE_SMSC = r"""
const [, url, password, calls] = process.argv
const smsc = require('node-smsc')({ login: 'crm', password, request: url })
async function call([name, query]) {
  try { return await smsc[name](query) } catch (e) { return e.response.error_code }
}
(async () => {
  const found = []
  for (const one of JSON.parse(calls)) found.push(await call(one))
  console.log(JSON.stringify(found))
})()
"""


async def node_smsc(face: Smsc, password: str, *calls: tuple[str, dict[str, Any]]) -> Any:
    node = node_package("node-smsc")
    script = (node, "--no-deprecation", "-e", NODE_SMSC)
    return await answers(*script, url_of(face), password, json.dumps(calls))


async def test_node_smsc(tmp_path: Path) -> None:
    long = "я" * 600
    async with smsc(tmp_path, "daily_limit = 100", PRICES) as face:
        assert await node_smsc(
            face,
            "secret12",
            ("send", {"phones": FIRST, "mes": TEXT, "id": 10}),
            ("send", {"phones": f"{FIRST},{SECOND}", "mes": long, "id": 11}),
            ("send", {"phones": FIRST, "mes": "x", "cost": 1}),
            ("balance", {}),
            ("balance", {"cur": 1}),
            ("senders", {"get": 1}),
            ("get", {"get_answers": 1}),
        ) == [
            {"id": 10, "cnt": 1},
            {"id": 11, "cnt": 18},
            {"cost": "0.4", "cnt": 1},
            {"balance": "97"},
            {"balance": "97", "currency": "SMS"},
            [{"sender": "Shop"}],
            [],
        ]
        assert texts(face) == [(FIRST, TEXT), (FIRST, long), (SECOND, long)]
        one, many = await node_smsc(
            face,
            "secret12",
            ("status", {"phone": FIRST, "id": 10, "all": 1}),
            ("status", {"phone": f"{FIRST},{SECOND}", "id": "10,11"}),
        )
        assert (one["status"], one["message"]) == (0, TEXT)
        assert [(status["id"], status["status"]) for status in many] == [(10, 0), (11, 0)]
        deleting = ("status", {"phone": FIRST, "id": 10, "del": 1})
        [done, gone] = await node_smsc(face, "secret12", deleting, deleting)
        assert (done, gone) == ({"result": "OK"}, 5)
        face.sandbox.fault("400")
        assert await node_smsc(
            face,
            "secret12",
            ("send", {"phones": "12", "mes": "x"}),
            ("send", {"phones": FIRST}),
            ("send", {"phones": FIRST, "mes": "x", "sender": "Bank"}),
            ("send", {"phones": FIRST, "mes": "refused by the API"}),
            ("phones", {"get": 1}),
            ("users", {"get_balance": 1}),
        ) == [7, 1, 6, 7, 3, 1]


async def test_node_smsc_keeps_contacts(tmp_path: Path) -> None:
    async with smsc(tmp_path) as face:
        [group] = await node_smsc(face, "secret12", ("phones", {"add_group": 1, "name": "Ніч"}))
        assert isinstance(group["id"], int)
        found = await node_smsc(
            face,
            "secret12",
            ("phones", {"add": 1, "phone": FIRST, "name": "Анна", "grp": group["id"]}),
            ("phones", {"add_group": 1, "name": "Ніч"}),
            ("phones", {"get_group": 1}),
            ("phones", {"chg": 1, "phone": FIRST, "name": "Ганна", "bd": "01.02.1990"}),
            ("phones", {"get": 1, "grp": group["id"]}),
            ("phones", {"move_group": 3, "phone": FIRST, "grp": group["id"]}),
            ("phones", {"del": 1, "phone": FIRST}),
            ("phones", {"del_group": 1, "grp": group["id"]}),
            ("phones", {"add_black": 1, "phone": SECOND, "cmt": "asked"}),
            ("phones", {"get_black": 1}),
            ("send", {"phones": SECOND, "mes": "x"}),
            ("phones", {"del_black": 1, "phone": SECOND}),
            ("templates", {"add": 1, "name": "Code", "msg": TEXT}),
            ("templates", {"get": 1}),
        )
        assert found[1] == 5
        assert found[2] == [{"id": group["id"], "name": "Ніч", "cnt": "1"}]
        [contact] = found[4]
        assert (contact["phone"], contact["name"], contact["group"], contact["birthday"]) == (
            *(FIRST, "Ганна", group["id"], "01.02.1990"),
        )
        assert [found[n] for n in (3, 5, 6, 7, 11)] == [{"result": "OK"}] * 5
        assert found[9][0] | {"id": 0} == {"id": 0, "phone": SECOND, "type": 0, "comment": "asked"}
        assert found[10] == 6
        assert found[13][0]["message"] == TEXT
        again = [("phones", {"get_group": 1, "again": 1})] * 4
        assert await node_smsc(face, "secret12", *again) == [3, 3, 3, 9]
        wrong: list[tuple[str, dict[str, Any]]] = [("balance", {})] * 11
        assert await node_smsc(face, "wrong", *wrong) == [2] * 10 + [4]


# --- smsc (PyPI) ---------------------------------------------------------------------------------

PYPI_SMSC = r"""
import json, sys
from smsc import SMSC, FlashMessage, SMSMessage, ViberMessage
_, url, password, first, second, text = sys.argv
SMSC._url = url
client = SMSC("crm", password, "Shop")
one = client.send(first, SMSMessage(text=text))
if one.error:
    print(json.dumps(one.error.code))
    sys.exit()
many = client.send([first, second], FlashMessage(text=text))
viber = client.send(first, ViberMessage(text=text))
price = client.get_cost([first, second], SMSMessage(text=text))
[status] = client.get_status(first, str(one.message_id))
listed = client.get_status([first, second], [str(one.message_id), str(many.message_id)])
balance = client.get_balance()
wrong = client.send("12", SMSMessage(text=text))
print(json.dumps([
    [one.count, one.cost], [many.count, many.cost], viber.count, [price.count, price.cost],
    [status.status.status_id, status.status.name, status.data["message"]],
    (status.data["last_date"] - status.data["send_date"]).total_seconds() < 600,
    [other.status.status_id for other in listed], str(balance), wrong.error.code,
]))
"""


async def test_smsc_of_pypi(tmp_path: Path) -> None:
    python = python_with("smsc")
    async with smsc(tmp_path, "daily_limit = 100", PRICES) as face:
        given = (url_of(face), "secret12", FIRST, SECOND, TEXT)
        assert await answers(python, "-c", PYPI_SMSC, *given) == [
            *([1, 0.4], [2, 0.8], 1, [2, 0.8], [0, "Sent", TEXT], True, [0, 0]),
            "<BalanceResponse balance=96.00 credit=0.00 currency=SMS>",
            7,
        ]
        assert texts(face) == [(phone, TEXT) for phone in (FIRST, FIRST, SECOND, FIRST)]
        given = (url_of(face), "wrong", FIRST, SECOND, TEXT)
        assert await answers(python, "-c", PYPI_SMSC, *given) == 2


# --- smsc-client (PyPI) --------------------------------------------------------------------------

PYPI_SMSC_CLIENT = r"""
import json, sys
from smsc_client import SMSCAPI
_, url, password, *calls = sys.argv
client = SMSCAPI("crm", password)
client._domain = url.removesuffix("sys/")
found = []
for phones, text, id, sender in map(json.loads, calls):
    try:
        found.append(vars(client.default.send(phones=phones, mes=text, id=id, sender=sender)))
    except (ValueError, TypeError) as error:
        found.append("no such answer")
print(json.dumps(found))
"""


async def test_smsc_client_of_pypi(tmp_path: Path) -> None:
    python = python_with("smsc_client")
    own = "8f14e45f-ceea-467f-a0e6-1f2a6c1c9d5b"
    calls = [
        json.dumps(call)
        for call in (
            (FIRST, TEXT, own, "Shop"),
            (f"{FIRST},{SECOND}", TEXT, "7", "Shop"),
            ("12", TEXT, "8", "Shop"),
        )
    ]
    async with smsc(tmp_path) as face:
        given = (python, "-c", PYPI_SMSC_CLIENT, url_of(face))
        assert await answers(*given, "secret12", *calls) == [
            {"OK": "1 SMS", "ID": own},
            {"OK": "2 SMS", "ID": "7"},
            "no such answer",
        ]
        assert texts(face) == [(phone, TEXT) for phone in (FIRST, FIRST, SECOND)]
        assert await answers(*given, "wrong", calls[0]) == ["no such answer"]


# --- SOAP ----------------------------------------------------------------------------------------

PHP_SOAP = r"""
[, $url, $password, $version, $first, $second, $text] = $argv;
$options = ['soap_version' => (int) $version, 'cache_wsdl' => WSDL_CACHE_NONE];
$client = new SoapClient($url . 'soap.php?wsdl', $options);
$login = ['login' => 'crm', 'psw' => $password];
$sent = ['phones' => $first, 'mes' => $text, 'id' => '7', 'sender' => 'Shop', 'time' => ''];
$one = $client->send_sms($login + $sent)->sendresult;
if (!empty($one->error)) {
    exit(json_encode($one->error));
}
$sent = ['phones' => "$first,$second", 'id' => '8', 'query' => 'maxsms=1&nl=1'] + $sent;
$many = $client->send_sms2($login + $sent)->sendresult;
$cost = $client->get_sms_cost($login + $sent)->costresult;
$asked = ['phone' => $first, 'id' => '7', 'all' => '0'];
$status = $client->get_status($login + $asked)->statusresult;
$full = $client->get_status2($login + ['all' => '2', 'query' => ''] + $asked)->statusresult;
$unknown = $client->get_status($login + ['id' => '9'] + $asked)->statusresult;
$balance = $client->get_balance($login)->balanceresult;
$wrong = $client->send_sms($login + ['phones' => '12'] + $sent)->sendresult;
echo json_encode([
    [$one->id, $one->cnt, $one->cost, $one->balance, empty($one->error)], [$many->id, $many->cnt],
    [$cost->cost, $cost->cnt], [$status->status, $status->error, $status->err],
    [$full->status_name, $full->message, $full->sms_cnt], $unknown->status, $balance->balance,
    $wrong->error,
]);
"""

PYTHON_SOAP = r"""
import json, sys
_, which, url, password, first, second, text = sys.argv
address = url + "soap.php?wsdl"
if which == "zeep":
    import zeep
    service = zeep.Client(address).service
else:
    import suds.client
    service = suds.client.Client(address, cache=None).service
login = {"login": "crm", "psw": password}
one = service.send_sms(**login, phones=first, mes=text, id="7", sender="Shop")
if getattr(one, "error", None):
    print(json.dumps(one.error))
    sys.exit()
both = f"{first},{second}"
many = service.send_sms2(**login, phones=both, mes=text, id="8", query="maxsms=1&nl=1")
cost = service.get_sms_cost(**login, phones=both, mes=text)
status = service.get_status(**login, phone=first, id="7", all="0")
full = service.get_status2(**login, phone=first, id="7", all="2")
unknown = service.get_status(**login, phone=first, id="9", all="0")
balance = service.get_balance(**login)
wrong = service.send_sms(**login, phones="12", mes=text)
print(json.dumps([
    [one.id, one.cnt, one.cost, one.balance, not getattr(one, "error", None)], [many.id, many.cnt],
    [cost.cost, cost.cnt], [status.status, status.error, status.err],
    [full.status_name, full.message, full.sms_cnt], unknown.status, balance.balance, wrong.error,
]))
"""

BY_SOAP = [
    *(["7", "1", "0.4", "99", True], ["8", "2"], ["0.8", "2"], ["0", "0", "0"]),
    *(["Sent", TEXT, "1"], "-3", "97", "7"),
]


async def soap(face: Smsc, *command: str) -> None:
    """Runs a script with the right password, then with a wrong one."""
    for password, expected in (("secret12", BY_SOAP), ("wrong", "2")):
        given = [password if word == "PASSWORD" else word for word in command]
        assert await answers(*given, FIRST, SECOND, TEXT) == expected
    assert texts(face) == [(phone, TEXT) for phone in (FIRST, FIRST, SECOND)]


@pytest.mark.parametrize("version", ["1", "2"])
async def test_soap_client_of_php(tmp_path: Path, version: str) -> None:
    interpreter = php("soap")
    async with smsc(tmp_path, "daily_limit = 100", PRICES) as face:
        await soap(face, interpreter, "-r", PHP_SOAP, url_of(face), "PASSWORD", version)


@pytest.mark.parametrize("which", ["zeep", "suds"])
async def test_soap_clients_of_python(tmp_path: Path, which: str) -> None:
    python = python_with(which)
    async with smsc(tmp_path, "daily_limit = 100", PRICES) as face:
        await soap(face, python, "-c", PYTHON_SOAP, which, url_of(face), "PASSWORD")


# --- Symfony's smsc-notifier (Debian) ------------------------------------------------------------

SYMFONY = r"""
require '/usr/share/php/Symfony/Component/Notifier/Bridge/Smsc/autoload.php';
use Symfony\Component\Notifier\Bridge\Smsc\SmscTransportFactory;
use Symfony\Component\Notifier\Exception\TransportException;
use Symfony\Component\Notifier\Message\SmsMessage;
use Symfony\Component\Notifier\Transport\Dsn;
[, $dsn, $http, $ca, $calls] = $argv;
$http = "Symfony\\Component\\HttpClient\\$http";
$dsn = new Dsn($dsn);
$transport = (new SmscTransportFactory(null, new $http(['cafile' => $ca])))->create($dsn);
$transport->setPort($dsn->getPort());  // which the factory does not read
$found = [];
foreach (json_decode($calls) as [$phone, $text]) {
    try {
        $sent = $transport->send(new SmsMessage($phone, $text));
        $found[] = [$sent->getMessageId(), $sent->getTransport()];
    } catch (TransportException $e) {
        $found[] = $e->getMessage();
    }
}
echo json_encode($found);
"""


def secured(certificate: Certificate) -> str:  # noqa: F811
    return (
        'tls_listen = ["127.0.0.1:0"]\n'
        f'certificate = "{certificate.certificate}"\nprivate_key = "{certificate.private_key}"'
    )


async def secured_port(face: Smsc) -> str:
    [_, address] = (await face.bridge.event("ready"))["smsc"]
    return str(address).rpartition(":")[2]


def php_with_symfony() -> str:
    if not Path("/usr/share/php/Symfony/Component/Notifier/Bridge/Smsc").exists():
        missing("Symfony's smsc-notifier (Debian's php-symfony-smsc-notifier)")
    return php("curl")


def refusal(code: int, why: str) -> str:
    """What Symfony says of an error."""
    return f'Unable to send the SMS: code = {code}, message = "{why}".'


@pytest.mark.parametrize("http", ["CurlHttpClient", "NativeHttpClient"])
async def test_smsc_notifier_of_symfony(
    tmp_path: Path,
    certificate: Certificate,  # noqa: F811
    http: str,
) -> None:
    interpreter = php_with_symfony()
    async with smsc(tmp_path, more=secured(certificate)) as face:
        endpoint = f"localhost:{await secured_port(face)}"

        async def send(password: str, sender: str, *calls: tuple[str, str]) -> Any:
            dsn = f"smsc://crm:{password}@{endpoint}?from={sender}"
            given = (dsn, http, str(certificate.certificate), json.dumps(calls))
            return await answers(interpreter, "-r", SYMFONY, *given)

        long = "я" * 200
        *sent, invalid, empty = await send(
            "secret12", "Shop", (FIRST, TEXT), (f"+{SECOND}", long), ("12", TEXT), (FIRST, "")
        )
        assert [transport for _, transport in sent] == [f"smsc://{endpoint}?from=Shop"] * 2
        assert texts(face) == [(FIRST, TEXT), (SECOND, long)]
        for [id, _], phone in zip(sent, (FIRST, SECOND), strict=True):
            assert (await face.json("status", phone=phone, id=id))["status"] == 0
        assert [invalid, empty] == [refusal(7, "invalid number"), refusal(1, "parameters error")]
        denied, wrong = refusal(6, "message is denied"), refusal(2, "authorise error")
        assert await send("secret12", "Bank", (FIRST, TEXT)) == [denied]
        assert await send("wrong", "Shop", (FIRST, TEXT)) == [wrong]
        face.sandbox.fault("400")
        assert await send("secret12", "Shop", (FIRST, "refused by the API")) == [
            refusal(7, "invalid number")
        ]
        assert len(texts(face)) == 2


# --- clients written like those of PHP frameworks ------------------------------------------------

PHP_CURL = r"""
[, $url, $ca, $password, $calls] = $argv;
$found = [];
foreach (json_decode($calls, true) as $fields) {
    $request = curl_init($url . 'send.php');
    $login = ['login' => 'crm', 'psw' => $password, 'charset' => 'utf-8', 'fmt' => 3];
    curl_setopt_array($request, [
        CURLOPT_POST => true,
        CURLOPT_POSTFIELDS => http_build_query($login + $fields),
        CURLOPT_RETURNTRANSFER => true,
        CURLOPT_CAINFO => $ca,
    ]);
    $body = curl_exec($request);
    $status = curl_getinfo($request, CURLINFO_HTTP_CODE);
    if ($body === false || $status != 200) {
        exit("no answer: $status " . curl_error($request));
    }
    $answer = json_decode($body, true);
    $found[] = isset($answer['error']) ? $answer['error_code'] : $answer['id'];
}
echo json_encode($found);
"""


async def test_clients_like_those_of_php_frameworks_by_tls(
    tmp_path: Path,
    certificate: Certificate,  # noqa: F811
) -> None:
    interpreter = php("curl")
    calls = [
        # Laravel's channel adds what its configuration has as "extra".
        {"phones": f"{FIRST},{SECOND}", "mes": TEXT, "sender": "", "id": 8},
        {"phones": FIRST, "mes": TEXT, "translit": True, "pp": 343371, "id": 9},
        {"phones": "G99", "mes": TEXT},
    ]
    async with smsc(tmp_path, more=secured(certificate)) as face:
        url = f"https://localhost:{await secured_port(face)}/sys/"
        given = (url, str(certificate.certificate), "secret12", json.dumps(calls))
        assert await answers(interpreter, "-r", PHP_CURL, *given) == [8, 9, 3]
        assert [text for _, text in texts(face)][:2] == [TEXT] * 2
        assert texts(face)[2][1].isascii()


# --- a client like the provider's own libraries --------------------------------------------------


async def test_a_client_like_the_providers_own(tmp_path: Path) -> None:
    async with smsc(tmp_path, "daily_limit = 1000", PRICES) as face:
        library = ProviderLibrary(url_of(face), "crm", "secret12")
        both = f"{FIRST},{SECOND}"

        def converse() -> None:
            [id, *rest] = library.send_sms(FIRST, TEXT)
            assert rest == ["1", "0.4", "999"]
            assert 0 < int(id) < 2**31
            assert library.send_sms(both, "я" * 400, id=8) == ["8", "12", "4.8", "997"]
            assert library.methods == ["GET", "POST"]
            assert library.send_sms("12", TEXT, id=541) == ["541", "-7"]
            assert library.send_sms(FIRST, "") == ["0", "-1"]
            assert library.send_sms(FIRST, TEXT, sender="Bank") == ["0", "-6"]
            assert library.send_sms("G99", TEXT) == ["0", "-3"]
            assert library.get_sms_cost(both, TEXT) == ["0.8", "2"]
            assert library.get_balance() == "997"
            for every, fields in ((0, 3), (1, 9), (2, 12)):
                status = library.get_status(id, FIRST, every)
                assert len(status) == fields
                assert status[0] == "0"
                assert status[-1] == TEXT or not every
            listed = library.get_status(f"{id},8", both)
            assert [line[3:] for line in listed] == [[id, FIRST], ["8", SECOND]]
            assert library.get_status("1,2", FIRST) == ["0", "-1"]
            assert library.get_status("99", FIRST)[0] == "-3"

        def fail() -> None:
            wrong = ProviderLibrary(url_of(face), "crm", "wrong")
            assert wrong.get_balance() == ["0", "-2"]
            for _ in range(9):
                assert wrong.send_sms(FIRST, TEXT) == ["0", "-2"]
            assert wrong.send_sms(FIRST, TEXT) == ["0", "-4"]
            # No retries, since no answer was empty.
            assert len(wrong.methods) == 11
            wrong.close()

        await asyncio.to_thread(converse)
        face.sandbox.fault("400")
        assert await asyncio.to_thread(library.send_sms, FIRST, "x", id=3) == ["3", "-7"]
        face.sandbox.clear_faults()
        face.sandbox.fault("400", code="1013")
        assert await asyncio.to_thread(library.send_sms, FIRST, "y", id=4) == ["4", "-8"]
        await asyncio.to_thread(fail)
        library.close()
        assert texts(face)[0] == (FIRST, TEXT)
