"""Places: nobody gets all of them, however many he asks for."""

import pytest

from resnetlab.base.pages.exchange import Refused
from resnetlab.base.pages.places import Places, client_at


def test_the_last_quarter_is_for_those_who_have_none() -> None:
    places = Places(8)

    assert [places.take("a") for _ in range(8)] == [True] * 6 + [False] * 2
    assert [places.take(client) for client in ("b", "b", "c", "d")] == [True, False, True, False]
    places.leave("b")
    assert [places.take(client) for client in ("a", "c", "b")] == [False, False, True]
    for client in "aaaaaacb":
        places.leave(client)
    assert [places.take("b") for _ in range(8)] == [True] * 6 + [False] * 2


def test_a_place_is_left_whatever_happens_in_it() -> None:
    places = Places(1)

    with pytest.raises(ZeroDivisionError), places.one("a", "full"):
        raise ZeroDivisionError
    with places.one("b", "full"), pytest.raises(Refused) as refused, places.one("c", "full"):
        pass

    assert (refused.value.words, refused.value.headers) == ("full", {"Retry-After": "1"})
    assert places.take("c")


@pytest.mark.parametrize(
    ("address", "client"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),  # by IPv4, where a server listens for both
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::9", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::9", "2001:db8:1:3::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::1", "::/64"),
        ("", ""),
    ],
)
def test_a_client_is_an_address_or_the_network_that_is_his(address: str, client: str) -> None:
    assert client_at(address) == client
