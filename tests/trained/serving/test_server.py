"""Pictures that are sent are answered as `predict` answers them; what is none, or too much, is said to be."""

import base64
import io
import itertools
import json
import socket
import threading
import time
from collections.abc import Callable
from http.client import HTTPConnection

import numpy as np
import pytest
from PIL import Image

from resnetlab.errors import UsageError
from resnetlab.trained.serving.answering import Answering
from resnetlab.trained.serving.limits import Limits
from resnetlab.trained.serving.server import PredictionServer
from tests.kit.artefacts import classifier_of, small_artefact
from tests.kit.asking import OTHER, ask, form, running, send, slow_sender
from tests.kit.pictures import picture
from tests.kit.report_pages import Page

Serving = Callable[..., PredictionServer]


def pixels_of(uri: str) -> np.ndarray:
    head, _, data = uri.partition(",")
    assert head == "data:image/png;base64"
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data))))


def test_the_answers_are_those_of_predict(serving: Serving, answering: Answering) -> None:
    server, content = serving(), picture(3)
    expected = answering.classifier.predict(content, top_k=3)

    for kind in ("image/jpeg", "application/octet-stream", "application/x-www-form-urlencoded", ""):
        response, told = send(server, content, kind=kind)

        assert (kind, response.status) == (kind, 200)
        assert told["images"] == [expected.to_json() | {"image": "the picture"}]
    assert told["model"] == "resnet8"
    assert told["engine"] == "reference" and told["threads"] >= 1 and told["ms"] > 0
    assert told["preprocessing"].startswith(
        "shorter side to 36 px (bilinear), the 32 px square in the middle"
    )


def test_several_files_of_a_form_are_answered_in_their_order(serving: Serving, answering: Answering) -> None:
    """Their content may hold what looks like an end of a line, or of a part."""
    server = serving()
    first, second = picture(1, form="BMP"), picture(2) + b"\r\n--a line betwee\r\n\r\n"
    content, kind = form(("a.bmp", first), ("C:\\photos\\café ☃.jpg", second))

    response, told = send(server, content, "?top=1", kind=kind)

    answers = answering.classifier.predict([first, second], top_k=1)
    assert response.status == 200
    assert [each["image"] for each in told["images"]] == ["a.bmp", "café ☃.jpg"]
    assert [each["answers"] for each in told["images"]] == [each.to_json()["answers"] for each in answers]


def test_where_the_network_looked_is_told_as_explain_tells_it(serving: Serving, answering: Answering) -> None:
    server, content = serving(), picture(4)
    chosen = answering.classifier.predict(content).class_name
    other = next(name for name in answering.classifier.class_names if name != chosen)

    found = {
        query: send(server, content, query)[1]["images"][0]
        for query in ("?explain&show", f"?explain={other}")
    }

    for (query, image), name in zip(found.items(), (chosen, other), strict=True):
        expected = answering.classifier.explain(content, name)
        told = image["explanation"]
        assert (query, told["class"]) == (query, name)
        assert told["probability"] == expected.probability
        assert np.allclose(told["map"], expected.map, atol=5e-5)  # four digits are told
        assert (pixels_of(told["overlay"]) == expected.overlay(strength=0.75)).all()
    assert (pixels_of(found["?explain&show"]["picture"]) == expected.pixels).all()
    assert "picture" not in found[f"?explain={other}"]


def test_what_is_no_picture_is_said_to_be_none(serving: Serving) -> None:
    server = serving(Limits(rate=0, megabytes=0.02, pictures=2))
    large = picture(1, size=(400, 400), form="BMP")
    many, kind = form(*((f"{number}.jpg", picture(number)) for number in range(3)))
    none, _ = form()
    one, _ = form(("cut.png", picture(1, form="PNG")[:200]))
    line = b"--" + kind.partition("boundary=")[2].strip('"').encode()
    with_long_head = line + b"\r\nContent-Disposition: x" + 3000 * b";a=b" + b"\r\n\r\n\r\n" + line + b"--"
    of_many_parts = 300 * (line + b"\r\n\r\n\r\n") + line + b"--"
    cases = [
        (b"hello", "", 400, "the picture: not an image: the bytes look like text"),
        (b"", "", 400, "There is no picture in the request."),
        (one, kind, 400, "cut.png: damaged"),
        (none, kind, 400, "The form has no file in it."),
        (many[:-9], kind, 400, "The form is cut off."),
        (many, "multipart/form-data", 400, "The form does not say what stands between its parts."),
        (with_long_head, kind, 400, "A part of the form does not say what it is."),
        (of_many_parts, kind, 413, "The form has more than 256 parts."),
        (many, kind, 413, "More than 2 pictures at once: 2 are taken at most."),
        (large, "image/bmp", 413, "That is too large: at most 0.02 MB are taken."),
        (b"{}", "application/json", 415, "application/json is no picture."),
    ]
    for content, sent_as, status, words in cases:
        response, told = send(server, content, kind=sent_as)

        assert (response.status, told["status"]) == (status, status), told
        assert told["error"].startswith(words), told
        assert response.headers["Content-Type"] == "application/json; charset=utf-8"
    assert send(server, picture(1))[0].status == 200


def test_a_question_that_cannot_be_is_refused(serving: Serving) -> None:
    server, content = serving(), picture(1)
    cases = {
        "?top=0": "top=0:",
        "?top=x": "top=x:",
        "?explain=bea": "no class 'bea'",
        "?cam=1": "cam: there is ?top",
    }

    found = {query: send(server, content, query) for query in cases}

    assert {query: response.status for query, (response, _) in found.items()} == dict.fromkeys(cases, 400)
    assert all(found[query][1]["error"].startswith(words) for query, words in cases.items()), found
    assert found["?explain=bea"][1]["hint"] == "Did you mean bee?"


def test_explanations_can_be_turned_off(serving: Serving) -> None:
    server = serving(explains=False)

    response, told = send(server, picture(1), "?explain")

    assert (response.status, told["error"]) == (400, "Nothing is explained here: it is turned off.")
    assert json.loads(ask(server, "/model")[1])["explains"] is False


def test_a_content_too_large_is_refused_before_it_is_sent(serving: Serving) -> None:
    """Who asks first (Expect: 100-continue, as curl does) sends nothing; others get their answer."""
    server, large = serving(Limits(rate=0, megabytes=0.1)), bytes(30_000_000)  # no buffer holds that
    with socket.create_connection(server.server_address[:2], timeout=20) as asking:
        head = f"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(large)}\r\n"
        asking.sendall(f"{head}Expect: 100-continue\r\n\r\n".encode())
        answer = asking.recv(100)

    response, _ = send(server, large)

    assert answer.startswith(b"HTTP/1.1 413 ")
    assert response.status == 413
    small = picture(1)
    assert send(server, small, Expect="100-continue")[0].status == 200


def test_a_content_without_a_length_is_refused(serving: Serving) -> None:
    server = serving()
    given = [{}, {"Transfer-Encoding": "chunked"}, {"Content-Length": "-1"}, {"Content-Length": "1e3"}]

    answers = [ask(server, "/predict", method="POST", headers=headers) for headers in given]

    assert [response.status for response, _ in answers] == [411] * 4


def test_one_client_too_many_times_is_told_to_come_again(serving: Serving) -> None:
    server, content = serving(Limits(rate=0.5)), picture(1)

    answers = [send(server, content) for _ in range(2)]

    assert [response.status for response, _ in answers] == [200, 429]
    assert answers[1][0].headers["Retry-After"] == "2"
    assert answers[1][1]["error"] == "That was more than 0.5 requests a second."
    assert ask(server, "/healthz")[0].status == 200


def test_more_than_can_wait_are_told_to_come_again(serving: Serving) -> None:
    """One that has said it sends a picture, and does not, takes the only place."""
    server, content = serving(Limits(rate=0, waiting=1)), picture(1)
    slow = slow_sender(server)
    assert slow.recv(100).startswith(b"HTTP/1.1 100 ")  # it is being read

    response, told = send(server, content)
    slow.close()

    assert (response.status, response.headers["Retry-After"]) == (503, "1")
    assert told["error"].startswith("So many requests are being answered")
    deadline = time.monotonic() + 20
    while (status := send(server, content)[0].status) == 503 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert status == 200


def test_one_that_sends_much_and_slowly_keeps_nobody_else_out(serving: Serving) -> None:
    server, content = serving(Limits(rate=0, waiting=8)), picture(1)
    slow = [slow_sender(server) for _ in range(8)]

    answers = sorted(sender.recv(100)[:13] for sender in slow)
    other = send(server, content, client=OTHER)
    for sender in slow:
        sender.close()

    assert answers == [b"HTTP/1.1 100 "] * 6 + [b"HTTP/1.1 503 "] * 2
    assert other[0].status == 200


def test_a_picture_that_comes_too_slowly_is_not_waited_for(
    serving: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("resnetlab.base.pages.server._BODY_SECONDS", 0.2)
    with slow_sender(serving()) as slow:
        slow.settimeout(5)
        assert slow.recv(100).startswith(b"HTTP/1.1 100 ")
        for _ in range(4):
            slow.sendall(b"a")
            time.sleep(0.06)

        assert slow.recv(100).startswith(b"HTTP/1.1 408 ")


def test_a_head_that_comes_too_slowly_is_not_waited_for(
    serving: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    """But what is sent at once is answered however long a connection has been silent before."""
    monkeypatch.setattr("resnetlab.base.pages.server._HEAD_SECONDS", 0.2)
    server = serving()
    honest = HTTPConnection("127.0.0.1", server.server_address[1], timeout=20)
    honest.connect()
    slow = socket.create_connection(server.server_address[:2], timeout=20)
    started, is_over = time.monotonic(), False
    slow.settimeout(0.05)
    for letter in itertools.cycle(b"GET /healthz HTTP/1.1\r\nX: " + 1000 * b"a"):
        try:
            slow.sendall(bytes([letter]))
            is_over = slow.recv(1) == b""
        except TimeoutError:
            pass
        except ConnectionError:
            is_over = True
        if is_over or time.monotonic() - started > 5:
            break
    slow.close()
    honest.request("GET", "/healthz")
    answer = honest.getresponse().status
    honest.close()

    assert is_over
    assert answer == 200


def test_many_at_once_get_each_its_own_answer(serving: Serving, answering: Answering) -> None:
    server, contents = serving(), [picture(seed) for seed in range(12)]
    expected = [each.to_json()["answers"] for each in map(answering.classifier.predict, contents)]
    found: list[object] = [None] * len(contents)

    def one(index: int) -> None:
        found[index] = send(server, contents[index])[1]["images"][0]["answers"]

    threads = [threading.Thread(target=one, args=(index,)) for index in range(len(contents))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert found == expected


def test_only_what_there_is_is_answered_and_only_in_its_way(serving: Serving) -> None:
    server = serving()
    statuses = {
        (method, path): ask(server, path, method=method)[0]
        for method, path in (
            ("GET", "/predict"),
            ("POST", "/"),
            ("PUT", "/predict"),
            ("GET", "/../etc/passwd"),
        )
    }

    assert [each.status for each in statuses.values()] == [405, 405, 405, 404]
    assert [each.headers["Allow"] for each in statuses.values()] == [
        "POST",
        "GET, HEAD",
        "GET, HEAD, POST",
        None,
    ]


def test_another_host_and_pages_of_others_are_refused(serving: Serving) -> None:
    server, content = serving(), picture(1)
    for host in ("evil.example", "127.0.0.1.evil.example", "me@127.0.0.1", ""):
        assert (host, ask(server, "/model", host=host)[0].status) == (host, 403)
    other = server.server_port ^ 1
    for origin in (
        "https://evil.example", "null", "http://127.0.0.1.evil.example", f"http://127.0.0.1:{other}",
    ):  # fmt: skip
        assert (origin, send(server, content, Origin=origin)[0].status) == (origin, 403)
    assert send(server, content, Origin=server.url.rstrip("/"))[0].status == 200


def test_where_other_machines_may_ask_addresses_and_given_names_are_its_names(serving: Serving) -> None:
    server = serving(host="0.0.0.0", names=("resnet.example",))
    asked = ("127.0.0.1", "192.0.2.7:80", "[2001:db8::1]:80", "Resnet.Example", "evil.example", "a:b:c]")

    statuses = [ask(server, "/healthz", host=host)[0].status for host in asked]

    assert statuses == [200, 200, 200, 200, 403, 403]
    for origin, status in (("http://203.0.113.5", 403), ("https://resnet.example", 200)):
        assert (origin, send(server, picture(1), Origin=origin)[0].status) == (origin, status)
    assert server.url.startswith("http://127.0.0.1:")


def test_the_facts_are_those_of_the_network(serving: Serving) -> None:
    server = serving(top=2)
    response, content = ask(server, "/model")
    facts = json.loads(content)

    assert (facts["model"], facts["classes"]) == ("resnet8", ["ant", "bee", "cat"])
    assert facts["input"] == {"height": 32, "width": 32, "channels": 3}
    assert (facts["top"], facts["explains"], facts["origin"]) == (2, True, "made here")
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert "Access-Control-Allow-Origin" not in response.headers


def test_the_page_is_whole_and_names_are_only_text(serving: Serving) -> None:
    hostile = "<img src=x onerror=alert(1)>"
    made = Answering(classifier_of(small_artefact(names=("ant", hostile))))
    server = PredictionServer(made, Limits(), port=0)
    with running(server):
        content = ask(server, "/")[1]
    made.close()
    found = Page(content)

    assert (found.wrong, found.open) == ([], [])
    assert hostile not in content and "onerror=alert(1)&gt;" in content
    assert server.command in content


def test_limits_and_hosts_that_cannot_be_are_errors(answering: Answering) -> None:
    for wrong in ({"megabytes": 0}, {"megabytes": float("nan")}, {"rate": -1}, {"rate": float("inf")}):
        with pytest.raises(UsageError, match=r"--limit-mb|--rate"):
            Limits(**wrong)
    with pytest.raises(UsageError, match=r"--host 192\.0\.2\.1 is no address of this machine"):
        PredictionServer(answering, Limits(), port=0, host="192.0.2.1")


def test_a_port_that_is_taken_is_said_to_be_by_what(serving: Serving, answering: Answering) -> None:
    port = serving().server_address[1]

    with pytest.raises(
        UsageError, match=f"port {port} is in use: resnet8 .made here. is at http://127.0.0.1:{port}/"
    ):
        PredictionServer(answering, Limits(), port=port)


def test_a_connection_serves_several_requests_and_one_too_many_is_told(serving: Serving) -> None:
    """To one client, until others of his are closed; another client is not kept out."""
    server = serving()
    kept = [HTTPConnection("127.0.0.1", server.server_address[1], timeout=20) for _ in range(48)]
    for _ in range(2):
        for connection in kept:
            connection.request("GET", "/healthz")
            assert connection.getresponse().read().startswith(b'{"status": "ok"')

    response, content = ask(server, "/healthz")
    other, _ = ask(server, "/healthz", client=OTHER)
    for connection in kept:
        connection.close()

    assert (response.status, response.headers["Retry-After"]) == (503, "1")
    assert json.loads(content)["error"].startswith("So many connections are open")
    assert other.status == 200
    deadline = time.monotonic() + 20
    while (status := ask(server, "/healthz")[0].status) == 503 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert status == 200


def test_what_is_being_answered_is_answered_before_the_end(answering: Answering) -> None:
    """The server has stopped when the second half of a picture comes; then nobody is listened to any more."""
    server, content = PredictionServer(answering, Limits(), port=0), picture(1)
    with running(server), slow_sender(server, len(content)) as sender:
        assert sender.recv(100).startswith(b"HTTP/1.1 100 ")
        server.shutdown()
        ending = threading.Thread(target=server.finish, args=(20.0,))
        ending.start()
        ending.join(0.05)
        is_waiting = ending.is_alive()
        sender.sendall(content)
        answer = sender.recv(100)
        ending.join(20)

        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(server.server_address[:2], timeout=20)
    assert (is_waiting, ending.is_alive()) == (True, False)
    assert answer.startswith(b"HTTP/1.1 200 ")
