"""The board gives pages of the runs that it found to browsers of this machine, and nobody anything else."""

import contextlib
import os
import random
import socket
import time
from pathlib import Path
from urllib.parse import quote

import pytest

from resnetlab.board.folder import Folder
from resnetlab.board.grouping import MOST_TOGETHER
from resnetlab.board.server import BoardServer
from resnetlab.board.table import Board
from resnetlab.errors import UsageError
from resnetlab.runs.directory import lock_run
from tests.kit.asking import ask
from tests.kit.boards import add_rows, finished, killed, removed, test_row
from tests.kit.report_pages import Page
from tests.kit.reported_runs import edit

SECRET = "what nobody may see"


def test_the_table_and_every_run_of_it_is_a_whole_page(served: BoardServer) -> None:
    response, content = ask(served, "/")
    table = Page(content)
    links = [str(each["href"]) for each in table.of("a") if str(each.get("href")).startswith("/run/")]

    assert (response.status, table.wrong, len(links)) == (200, [], 7)
    for link in links:
        status, page = ask(served, link)
        found = Page(page)
        assert (status.status, found.wrong, found.open) == (200, [], [])
        assert ("cannot be shown" in page) == (link == "/run/damaged")


def test_the_damaged_run_says_what_is_wrong_and_what_to_do(served: BoardServer) -> None:
    _, content = ask(served, "/run/damaged")

    assert "recipe.json is damaged" in content


def test_one_damaged_run_among_several_costs_its_part_alone(served: BoardServer) -> None:
    response, content = ask(served, "/compare?run=digits/seed0&run=damaged&run=digits/seed1")
    alone = ask(served, "/compare?run=digits/seed0&run=digits/seed1")[1]

    page = Page(content)
    assert (response.status, page.wrong, page.open) == (200, [], [])
    assert "1 of these runs cannot be shown:" in content and "recipe.json is damaged" in content
    assert content.count("<svg") == alone.count("<svg") > 0


def test_seeds_that_fit_no_page_have_no_link_to_one(tmp_path: Path) -> None:
    for seed in range(MOST_TOGETHER + 1):
        finished(tmp_path / f"seed{seed}", seed=seed)

    def page() -> str:
        board, listing = Board(), Folder(tmp_path).look()
        board.take(listing)
        return board.page(listing)

    whole = page()
    removed(tmp_path / "seed0")

    assert f"<span>{MOST_TOGETHER + 1} seeds</span>" in whole and "/compare?run" not in whole
    assert f">{MOST_TOGETHER} seeds</a>" in page()


def test_states_that_the_files_alone_do_not_tell(served: BoardServer) -> None:
    run = killed(served.folder.path / "now")
    texts = {}
    with lock_run(run):
        texts["now"] = ask(served, "/run/now")[1]
    for name in ("killed", "study/waiting-seed0", "interrupted"):
        texts[name] = ask(served, f"/run/{name}")[1]

    assert "It is training, and at step 5 of 10" in texts["now"]
    assert "It was killed at step 5 of 10" in texts["killed"]
    assert "planned in a study" in texts["study/waiting-seed0"]
    assert "It was interrupted by SIGINT" in texts["interrupted"]


STRAYS = (
    "/run/../../etc/passwd", "/run/..%2f..%2fsecret", "/run/%2e%2e/secret", "/run//etc/passwd",
    "/secret.json", "/run/digits/seed0/recipe.json", "/run/digits", "/run/", "/run/seed0%00", "/run/..",
    "//etc/passwd", "/compare?run=../secret", "/compare?run=digits/seed0&run=/etc/passwd",
    "/%2e%2e/secret.json", "/compare",
)  # fmt: skip


def test_nothing_is_given_that_is_no_run_of_the_folder(served: BoardServer) -> None:
    secret = finished(served.folder.path.parent / "secret")
    (secret / "recipe.json").write_text(SECRET)

    answers = {path: ask(served, path) for path in STRAYS}

    assert {path for path, (response, _) in answers.items() if response.status not in (400, 404)} == set()
    assert not any(SECRET in content or "root:x" in content for _, content in answers.values())


def test_pictures_and_rows_that_links_lead_out_to_are_not_shown(served: BoardServer) -> None:
    outside = served.folder.path.parent / "scores.json"
    outside.write_text('{"secret": 1}')
    inside = served.folder.path / "digits" / "seed0" / "eval" / "step-00000008-test"
    (inside / "calibration.json").symlink_to(outside)

    _, content = ask(served, "/run/digits/seed0")

    assert "calibration.json is a link that leads out" in content
    assert "<svg" not in content


def test_checkpoints_may_lie_on_another_disk(served: BoardServer) -> None:
    elsewhere = served.folder.path.parent / "elsewhere"
    (elsewhere / "step-00000008").mkdir(parents=True)
    (served.folder.path / "digits" / "seed0" / "checkpoints").symlink_to(elsewhere)

    assert 'id="curves"' in ask(served, "/run/digits/seed0")[1]


def test_another_host_is_refused(served: BoardServer) -> None:
    """A page of others whose name leads to this machine gets nothing to read."""
    for host in ("evil.example", "evil.example:8642", "127.0.0.1.evil.example", "", "0.0.0.0", "[::1]"):
        for path in ("/", "/what", "/run/digits/seed0"):
            response, content = ask(served, path, host=host)

            assert (host, path, response.status) == (host, path, 403)
            assert "digits" not in content
            assert str(served.folder.path) not in content


def test_this_machine_is_answered_by_any_port(served: BoardServer) -> None:
    """By ssh -L is reached by another port."""
    assert [
        ask(served, "/", host=host)[0].status for host in ("localhost:9000", "127.0.0.1", "LOCALHOST")
    ] == [200] * 3


def test_nothing_but_reading_is_answered(served: BoardServer) -> None:
    for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"):
        response, _ = ask(served, "/", method=method, body=b"state=finished")

        assert (method, response.status, response.headers["Allow"]) == (method, 405, "GET, HEAD")


def test_whatever_is_sent_is_answered_or_refused_at_once(served: BoardServer) -> None:
    """Requests with bytes that are turned, cut, doubled or others: none is answered by an error of ours."""
    seed = random.SystemRandom().randrange(10**6)
    rng, host = random.Random(seed), f"127.0.0.1:{served.server_address[1]}"
    asked = ["/", "/?since=0", "/run/digits/seed0", "/compare?run=digits/seed0&run=digits%2Fseed1", "/what"]
    sent = [f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode() for path in asked]
    content = b"".join(sent)
    for damage in range(300):
        whole = sent[damage % len(sent)]
        place, length = rng.randrange(len(whole)), rng.choice((1, 2, 8, 64))
        piece = rng.choice((b"", b"\0" * length, rng.randbytes(length), content[place : place + length] * 2))
        message, began = whole[:place] + piece + whole[place + length :], time.monotonic()
        with socket.create_connection(served.server_address[:2], timeout=5) as client:
            answer = b""
            with contextlib.suppress(ConnectionError):  # closed before all was read
                client.sendall(message)
                client.shutdown(socket.SHUT_WR)
                while part := client.recv(2**20):
                    answer += part
        told = f"seed {seed}, {message!r}: {answer[:200]!r}"
        assert time.monotonic() - began < 2, told
        assert b" 500 " not in answer.partition(b"\r\n")[0], told
    assert ask(served, "/")[0].status == 200


def test_head_gives_the_length_alone(served: BoardServer) -> None:
    head, nothing = ask(served, "/run/digits/seed0", method="HEAD")
    _, content = ask(served, "/run/digits/seed0")

    assert (nothing, head.headers["Content-Length"]) == ("", str(len(content.encode())))


def test_it_listens_on_this_machine_alone_and_forbids_what_it_does_not_need(served: BoardServer) -> None:
    response, content = ask(served, "/")
    policy = next(each["content"] for each in Page(content).of("meta") if "http-equiv" in each)

    assert served.server_address[0] == "127.0.0.1"
    assert response.headers["Content-Security-Policy"] == "frame-ancestors 'none'"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert "Access-Control-Allow-Origin" not in response.headers
    assert policy is not None
    assert policy.startswith("default-src 'none'; img-src data:; style-src 'sha256-")
    assert "connect-src 'self'" in policy
    assert "unsafe" not in policy


def test_what_has_not_changed_is_not_given_again(served: BoardServer) -> None:
    first = Page(ask(served, "/")[1]).of("table")[0]["data-version"]
    same, nothing = ask(served, f"/?since={first}")
    run = killed(served.folder.path / "now")
    edit(run / "data.json", name="others", fingerprint="1")  # a row of its own
    status, changes = ask(served, f"/?since={first}")
    add_rows(run / "metrics.jsonl", [test_row(8, 0.5)])
    removed(served.folder.path / "damaged")
    version = Page(changes).of("table")[0]["data-version"]
    _, later = ask(served, f"/?since={version}")

    assert (same.status, nothing, status.status) == (204, "", 200)
    assert [each["value"] for each in Page(changes).of("input") if each.get("name")] == ["now"]
    assert [each["value"] for each in Page(later).of("input") if each.get("name")] == ["now"]
    assert "50.00" in later


def test_a_page_is_made_anew_only_when_its_run_is_another(served: BoardServer) -> None:
    _, content = ask(served, "/run/killed")
    version = next(each["data-version"] for each in Page(content).of("p") if "data-version" in each)
    same = ask(served, f"/run/killed?since={version}")[0].status
    add_rows(served.folder.path / "killed" / "metrics.jsonl", [test_row(8, 0.5)])
    other, newer = ask(served, f"/run/killed?since={version}")

    assert (same, other.status) == (204, 200)
    assert "50.00" in newer


def test_several_runs_on_one_page(served: BoardServer) -> None:
    response, content = ask(served, "/compare?run=digits%2Fseed0&run=digits/seed1&run=killed")
    too_many = [
        ask(served, "/compare?" + "&".join(f"run={number}" for number in range(count)))[0].status
        for count in (100, 2000)
    ]

    assert [response.status, *too_many] == [200, 400, 400]
    assert 'id="seeds"' in content
    assert 'data-chart="loss"' in content


def test_names_that_are_no_utf_8_have_a_page(served: BoardServer) -> None:
    name = os.fsdecode(b"caf\xe9 & <b>")
    finished(served.folder.path / name)

    link = next(
        str(each["href"]) for each in Page(ask(served, "/")[1]).of("a") if "/run/caf" in str(each.get("href"))
    )

    assert link == "/run/" + quote(os.fsencode(name))
    assert ask(served, link)[0].status == 200
    assert ask(served, "/compare?run=" + quote(os.fsencode(name)))[0].status == 200


def test_a_port_that_is_taken_is_said_and_a_free_one_is_offered(served: BoardServer, tmp_path: Path) -> None:
    port = served.server_address[1]
    with pytest.raises(UsageError, match=f"port {port} is in use: a board of .*runs is at") as by_a_board:
        BoardServer(Folder(tmp_path), port)
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        with pytest.raises(UsageError, match="in use by another program") as by_another:
            BoardServer(Folder(tmp_path), other.getsockname()[1])

    for raised in (by_a_board, by_another):
        assert "--port 0" in raised.value.hint
        free = int(raised.value.hint.partition("--port ")[2].split()[0])
        with BoardServer(Folder(tmp_path), free) as second:
            assert second.url == f"http://127.0.0.1:{free}/"


def test_no_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no such folder"):
        Folder(tmp_path / "nowhere")
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="it is a file"):
        Folder(tmp_path / "file")
