"""The server: who knows the token gets what they ask for, others get nothing; hostile requests do no harm."""

import http.client
import json
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random
from typing import NamedTuple
from urllib.parse import quote, unquote

import pytest

from lmf_sr.errors import InputError
from lmf_sr.viewer import server as module
from lmf_sr.viewer.pictures import Studio
from lmf_sr.viewer.server import AT_ONCE, HOST, Server

VIEW = "view?picture=0&layer=0&top=3&left=4&scale=6&height=60&width=80"


class Answer(NamedTuple):
    status: int
    content: bytes
    headers: dict[str, str]


def ask(
    server: Server, path: str, method: str = "GET", body: bytes | None = None, whole: bool = False, **headers: str
) -> Answer:
    connection = http.client.HTTPConnection(HOST, server.port, timeout=60)
    target = path if whole else f"/{server.token}/{path}"
    connection.request(method, target, body, {key.replace("_", "-"): value for key, value in headers.items()})
    response = connection.getresponse()
    return Answer(response.status, response.read(), {k.lower(): v for k, v in response.getheaders()})


def wait_until(happened: Callable[[], bool]) -> None:
    for _ in range(600):
        if happened():
            return
        time.sleep(0.05)
    pytest.fail("it does not happen")


def test_the_page_and_what_it_asks_for(server: Server) -> None:
    page = ask(server, "")
    assert page.status == 200
    assert b"<canvas" in page.content
    assert "default-src 'none'" in page.headers["content-security-policy"]
    about = json.loads(ask(server, "about").content)
    assert [picture["name"] for picture in about["pictures"]] == ["small.png"]
    assert [model["name"] for model in about["models"]] == ["edsr-tiny-lm-liif", "edsr-tiny-lm-lte", "edsr-tiny-lte"]
    assert [model["mlp"] is not None for model in about["models"]] == [True, True, False]
    assert ask(server, VIEW).content[:4] == b"\x89PNG"


@pytest.mark.parametrize(
    "path",
    [
        *("/", "/about", "/wrong/", "/wrong/about", "//", "/../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd"),
        *("/%C3%A9/about", "/%FF/about", "*", "http://example.org/"),
    ],
)
def test_without_the_token_one_gets_nothing(server: Server, path: str) -> None:
    answer = ask(server, path, whole=True)
    assert (answer.status, answer.content) in ((404, b"Not found"), (400, b"Invalid HTTP request received."))


def test_part_of_the_token_or_more_than_it_is_not_the_token(server: Server) -> None:
    for token in (server.token[:-1], f"{server.token}x", server.token.swapcase()):
        assert ask(server, f"/{token}/about", whole=True).status == 404


def test_a_page_from_elsewhere_gets_nothing_even_with_the_token(server: Server) -> None:
    assert ask(server, "about", Host=f"evil.example:{server.port}").status == 404
    assert ask(server, "about", Host=f"localhost:{server.port}").status == 200


@pytest.mark.parametrize("path", ["../../etc/passwd", "%2e%2e%2f%2e%2e%2fetc/passwd", "static/x", "view/../../about"])
def test_there_are_no_files_behind_the_paths(server: Server, path: str) -> None:
    assert ask(server, path).status == 404


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        ("view", "picture is missing"),
        (VIEW.replace("scale=6", "scale=nan"), "scale is nan, not 0.015625 to "),
        (VIEW.replace("scale=6", "scale=six"), "scale is 'six', which is no number"),
        (VIEW.replace("height=60", "height=1000000"), "a view of 80x1000000 pixels is not rendered"),
        (VIEW.replace("height=60", "height=1e300"), "height is 1e+300, not 1 to "),
        (VIEW.replace("top=3", "top=-1e9"), "top is -1e+09, not -2 to "),
        (VIEW.replace("picture=0", "picture=../../etc/passwd"), "there is no picture '../../etc/passwd'"),
        ("state?picture=0&model=0&top=0&left=0&height=49&width=64&scale=4", "height is 49, not 1 to 48"),
        ("state?picture=0&model=2&top=0&left=0&height=4&width=4&scale=4", "edsr-tiny-lte is rendered by the server"),
        ("save?picture=0&layer=0&height=1000000&width=1000000", "1000000x1000000 pixels cannot be saved from here"),
        (f"{VIEW}&threshold=3", "edsr-tiny-lm-liif has no Scale2Mod table for an MSE of 3"),
    ],
)
def test_what_makes_no_sense_is_one_sentence(server: Server, path: str, sentence: str) -> None:
    answer = ask(server, path)
    assert answer.status == 400
    assert json.loads(answer.content)["error"].startswith(sentence)


def test_a_picture_is_opened_by_what_it_holds(server: Server, pictures: Path) -> None:
    content = (pictures / "large.png").read_bytes()
    answer = ask(server, "open?name=../../etc/cat.png", "POST", content)
    assert json.loads(answer.content) == {
        **{"id": "1", "name": "cat.png", "height": 144, "width": 192},
        "reference": False,
    }
    assert json.loads(ask(server, "open?name=x.png", "POST", b"MZ\0\0").content)["error"].startswith(
        "cannot read x.png"
    )


def test_a_body_that_is_too_large_is_refused_whatever_it_claims(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LARGEST_FILE", 2**20)
    told = json.loads(ask(server, "open?name=x.png", "POST", b"", Content_Length=str(2**40)).content)
    assert "larger than the 1 MiB" in told["error"]
    connection = http.client.HTTPConnection(HOST, server.port, timeout=60)
    chunks = iter([b"x" * 2**18] * 5)
    connection.request("POST", f"/{server.token}/open?name=x.png", chunks, encode_chunked=True)
    assert "larger than the 1 MiB" in json.loads(connection.getresponse().read())["error"]


def test_a_long_path_and_long_headers_are_refused(server: Server) -> None:
    assert ask(server, f"about?x={'y' * 5000}").status == 414
    connection = http.client.HTTPConnection(HOST, server.port, timeout=60)
    connection.request("GET", f"/{server.token}/about", headers={"X": "y" * 200000})
    assert connection.getresponse().status in (400, 431)
    assert ask(server, "about").status == 200


def test_who_connects_and_says_nothing_keeps_nobody_out(server: Server) -> None:
    silent = [socket.create_connection((HOST, server.port)) for _ in range(AT_ONCE - 10)]
    for _ in range(20):  # half a request each, one that waits for a body, and one that was answered
        for text in (
            "GET /x HTTP/1.1\r\nHo",
            "POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\n",
            "GET /x HTTP/1.0\r\n\r\n",
        ):
            silent.append(socket.create_connection((HOST, server.port)))
            silent[-1].sendall(text.encode())
    assert ask(server, "about").status == 200
    for connection in silent:
        connection.close()
    assert ask(server, VIEW).status == 200


def test_requests_by_chance_are_answered_or_refused(server: Server) -> None:
    """Numbers of all kinds, in every place: an answer, or a sentence; and the server goes on."""
    random = Random(0)
    numbers = ["0", "1", "-1", "2.5", "48", "64", "1e9", "1e-9", "nan", "inf", "", "x", "%00", "0x10", "١", "9" * 400]
    sizes = ["1", "7", "40", "0", "1048576", "nan"]
    for path in ("view", "state", "timed", "save", "lr", "picture", "open"):
        for _ in range(40):
            keys = (
                "picture",
                "layer",
                "model",
                "top",
                "left",
                "scale",
                "threshold",
                "largest",
                "view_height",
                "view_width",
            )
            values = {key: quote(random.choice(numbers)) for key in keys if random.random() < 0.8}
            values |= {key: random.choice(sizes) for key in ("height", "width", "view_height", "view_width")}
            values |= {"picture": "0"} if random.random() < 0.8 else {}
            values |= (
                {"layer": random.choice(["0", "2", "bicubic", "nearest", "reference"])} if random.random() < 0.8 else {}
            )
            values |= {"top": "0", "left": "0", "scale": "9"} if random.random() < 0.5 else {}
            query = "&".join(f"{key}={value}" for key, value in values.items())
            answer = ask(server, f"{path}?{query}", "POST" if path == "open" else "GET")
            assert answer.status in (200, 400), (path, query)
            if answer.status == 400:
                assert json.loads(answer.content)["error"]
    assert ask(server, VIEW).status == 200


@pytest.mark.parametrize("name", ['Übung " ; x.png', "a%00b.png", "n" * 1000, "..", "con.png"])
def test_what_is_saved_has_the_picture_s_name_and_leaves_nothing_behind(
    server: Server, studio: Studio, pictures: Path, name: str
) -> None:
    added = json.loads(
        ask(server, f"open?name={quote(name, safe='%')}", "POST", (pictures / "small.png").read_bytes()).content
    )
    answer = ask(server, f"save?picture={added['id']}&layer=nearest&height=12&width=16")
    assert answer.content[:4] == b"\x89PNG"
    assert "16x12.png" in unquote(answer.headers["content-disposition"])
    wait_until(lambda: not list(Path(studio._saved.name).iterdir()))


def test_what_is_saved_for_nobody_is_removed(server: Server, studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    busy, gate = threading.Event(), threading.Event()
    save = studio.save
    monkeypatch.setattr(studio, "save", lambda *about: (busy.set(), gate.wait(60), save(*about))[2])
    connection = http.client.HTTPConnection(HOST, server.port, timeout=60)
    connection.request("GET", f"/{server.token}/save?picture=0&layer=nearest&height=12&width=16")
    assert busy.wait(10)
    connection.close()
    time.sleep(1)  # until the server has seen it
    gate.set()
    server.worker.submit("later", lambda: None).result(60)
    wait_until(lambda: not list(Path(studio._saved.name).iterdir()))


def test_other_methods_do_nothing(server: Server) -> None:
    for method in ("PUT", "DELETE", "OPTIONS", "TRACE"):
        assert ask(server, "about", method).status in (405, 404)
    assert ask(server, "open?name=x.png").status == 405


def test_of_ten_views_asked_for_at_once_only_the_last_is_rendered(
    server: Server, studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    busy, gate, rendered = threading.Event(), threading.Event(), []
    server.worker.submit("busy", lambda: (busy.set(), gate.wait(60)))
    assert busy.wait(10)
    view = studio.view
    monkeypatch.setattr(studio, "view", lambda *about: (rendered.append(about[2].left), view(*about))[1])
    with ThreadPoolExecutor(10) as pool:
        answers = []
        for n in range(10):
            answers.append(pool.submit(ask, server, f"{VIEW.replace('left=4', f'left={n}')}&job=page"))
            while not server.worker.waits:
                time.sleep(0.01)
            for earlier in answers[:-1]:
                earlier.result(60)
        gate.set()
        statuses = [answer.result(60).status for answer in answers]
    assert statuses == [204] * 9 + [200]
    assert rendered == [9]


def test_a_port_that_is_taken(server: Server, studio: Studio) -> None:
    with pytest.raises(InputError, match=f"cannot listen on 127.0.0.1:{server.port}"):
        Server(studio, server.port)
