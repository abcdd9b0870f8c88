"""`resnetlab board` as it is typed: it says where it is, and ends with Ctrl-C."""

import re
import signal
import socket
from http.client import HTTPConnection
from pathlib import Path

import pytest

from resnetlab.board.folder import Folder
from resnetlab.cli import main
from tests.kit.boards import finished, killed
from tests.kit.processes import Command


def test_it_says_where_it_is_and_ends_with_ctrl_c(tmp_path: Path) -> None:
    finished(tmp_path / "one")
    killed(tmp_path / "two")
    board = Command("board", str(tmp_path), "--port", "0")
    assert board.wait_until(lambda: "Ctrl-C ends the board" in board.output())
    said = f"2 runs in {tmp_path}, 0 of them running: "
    found = re.match(rf"{re.escape(said)}http://127\.0\.0\.1:(\d+)/\n", board.output())
    assert found
    connection = HTTPConnection("127.0.0.1", int(found[1]), timeout=20)
    connection.request("GET", "/")
    content = connection.getresponse().read().decode()
    connection.close()
    board.send(signal.SIGINT)

    assert board.end() == 0
    assert 'href="/run/one"' in content


def test_a_port_that_is_taken_or_none_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        codes = [main(["board", str(tmp_path), "--port", str(port)])]
    codes.append(main(["board", str(tmp_path), "--port", "70000"]))
    codes.append(main(["board", str(tmp_path / "nowhere")]))
    told = capsys.readouterr().err

    assert codes == [2, 2, 2]
    assert f"port {port} is in use by another program" in told
    assert "--port 70000: a port is a number from 0 to 65535" in told
    assert "there is no such folder" in told


def test_a_run_is_a_folder_of_one(tmp_path: Path) -> None:
    (glance,) = Folder(finished(tmp_path / "run")).look().glances

    assert (glance.name, glance.state, glance.path) == ("run", "finished", tmp_path / "run")
