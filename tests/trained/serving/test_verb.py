"""`resnetlab serve` as it is typed: it says where it is and how to ask, and ends with Ctrl-C and SIGTERM."""

import json
import re
import signal
import socket
from http.client import HTTPConnection
from pathlib import Path

import pytest

from resnetlab.cli import main
from resnetlab.trained.artefact import write_folder
from tests.kit.artefacts import small_artefact
from tests.kit.pictures import picture
from tests.kit.processes import Command


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("served") / "net"
    write_folder(small_artefact(), path)
    return path


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 0), (signal.SIGTERM, 143)])
def test_it_answers_until_it_is_ended(net: Path, number: int, code: int) -> None:
    served = Command("serve", str(net), "--port", "0", "--top", "2")
    assert served.wait_until(lambda: "Ctrl-C ends it" in served.output())
    found = re.search(
        r"^resnet8 \(made here\): (http://127\.0\.0\.1:(\d+)/)\n  curl -F image=@photo\.jpg \1predict\n",
        served.output(),
        re.MULTILINE,
    )
    assert found, served.output()
    connection = HTTPConnection("127.0.0.1", int(found[2]), timeout=20)
    connection.request("POST", "/predict", picture(1))
    told = json.loads(connection.getresponse().read())
    connection.close()
    served.send(number)

    assert served.end() == code
    assert len(told["images"][0]["answers"]) == 2


def test_what_cannot_be_served_is_an_error(net: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = str(other.getsockname()[1])
        wrong = (["--port", port], ["--port", "70000"], ["--top", "0"], ["--rate", "-1"], ["--limit-mb", "0"])
        codes = [main(["serve", str(net), *flags]) for flags in wrong]
    codes.append(main(["serve", str(net / "nowhere")]))
    told = capsys.readouterr().err

    assert codes == [2] * 6
    assert f"port {port} is in use by another program" in told
    assert "--port 70000: a port is a number from 0 to 65535" in told
    assert all(each in told for each in ("--top 0:", "--rate -1:", "--limit-mb 0:", "there is no such path"))


def test_an_onnx_file_is_served_without_explanations(
    tmp_path: Path, net: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("onnxruntime")
    assert main(["export", str(net), "--to", "onnx", "-o", str(tmp_path / "net.onnx")]) == 0
    served = Command("serve", str(tmp_path / "net.onnx"), "--port", "0", "--json")
    assert served.wait_until(lambda: "curl" in served.output())
    url = json.loads(served.output().splitlines()[-1])["url"]
    connection = HTTPConnection("127.0.0.1", int(url.split(":")[2].rstrip("/")), timeout=20)
    connection.request("POST", "/predict", picture(1))
    told = json.loads(connection.getresponse().read())
    connection.request("POST", "/predict?explain", picture(1))
    refused = json.loads(connection.getresponse().read())
    connection.close()
    served.send(signal.SIGINT)

    assert served.end() == 0
    assert told["engine"] == "onnxruntime" and len(told["images"][0]["answers"]) == 3
    assert refused["error"] == "Nothing is explained here: an ONNX file gives answers only."
