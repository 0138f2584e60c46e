"""A Redis URL says where and how; what is wrong with it is said without showing a password."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from processor.redis_address import Kind, Login, RedisAddress, Tls, parse_address

ONE = (("h", 6379),)
TWO = (("h1", 26379), ("h2", 7))


@pytest.mark.parametrize(
    ("url", "address", "shown"),
    [
        ("redis://h", RedisAddress(Kind.SERVER, ONE), "redis://h:6379"),
        ("REDIS://h/", RedisAddress(Kind.SERVER, ONE), "redis://h:6379"),
        ("redis://h:1/2", RedisAddress(Kind.SERVER, (("h", 1),), db=2), "redis://h:1/2"),
        ("redis://h?db=2", RedisAddress(Kind.SERVER, ONE, db=2), "redis://h:6379/2"),
        ("redis://[::1]:5", RedisAddress(Kind.SERVER, (("::1", 5),)), "redis://[::1]:5"),
        ("redis://[::1]", RedisAddress(Kind.SERVER, (("::1", 6379),)), "redis://[::1]:6379"),
        ("redis://u:p%2Fw%40@h", RedisAddress(Kind.SERVER, ONE, login=Login("u", "p/w@")), "redis://u@h:6379"),
        ("redis://:pw@h", RedisAddress(Kind.SERVER, ONE, login=Login(None, "pw")), "redis://h:6379"),
        ("redis://u:a:b@h", RedisAddress(Kind.SERVER, ONE, login=Login("u", "a:b")), "redis://u@h:6379"),
        ("rediss://h/1", RedisAddress(Kind.SERVER, ONE, db=1, tls=Tls()), "rediss://h:6379/1"),
        (
            "rediss://h?ssl_check_hostname=false",
            RedisAddress(Kind.SERVER, ONE, tls=Tls(is_hostname_checked=False)),
            "rediss://h:6379",
        ),
        ("unix:///a/s%20b", RedisAddress(Kind.SOCKET, path="/a/s b"), "unix:///a/s b"),
        ("unix://u:p@/a/b?db=3", RedisAddress(Kind.SOCKET, path="/a/b", db=3, login=Login("u", "p")), "unix://u@/a/b?db=3"),
        ("redis+sentinel://h1,h2:7/s", RedisAddress(Kind.SENTINEL, TWO, service="s"), "redis+sentinel://h1:26379,h2:7/s"),
        (
            "rediss+sentinel://u:p@h1,h2:7/s?db=1&sentinel_username=su&sentinel_password=sp%25",
            RedisAddress(Kind.SENTINEL, TWO, service="s", db=1, login=Login("u", "p"), sentinel_login=Login("su", "sp%"), tls=Tls()),
            "rediss+sentinel://u@h1:26379,h2:7/s?db=1",
        ),
        ("redis+cluster://h1:26379,h2:7", RedisAddress(Kind.CLUSTER, TWO), "redis+cluster://h1:26379,h2:7"),
        ("rediss+cluster://h/0", RedisAddress(Kind.CLUSTER, ONE, tls=Tls()), "rediss+cluster://h:6379"),
    ],
)
def test_a_url_is_read_and_shown_without_its_password(url: str, address: RedisAddress, shown: str) -> None:
    assert parse_address(url) == address
    assert str(address) == shown


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("", "begins with one of"),
        ("h:6379", "begins with one of"),
        ("s3cret", "begins with one of"),
        ("http://h", "begins with one of"),
        ("redis+tls://h", "begins with one of"),
        ("redis://", "names a host"),
        ("redis:///1", "names a host"),
        ("redis://u:s3cret@", "names a host"),
        ("redis://u:s3cret@:1", "names a host"),
        ("redis://h1,h2", "several hosts"),
        ("redis+cluster://h1,,h2", "names a host"),
        ("redis://h:0", "port"),
        ("redis://h:65536", "port"),
        ("redis://h:²", "port"),
        ("redis://u:s3cret", "stand before an @"),
        ("redis://u:s3/cret@h", "%2F"),
        ("redis://u:s3?cret@h", "%3F"),
        ("redis://u:s3#cret@h", "%23"),
        ("redis://u:s3cret@h#s3cret", "%23"),
        ("redis://[::1", "brackets"),
        ("redis://h/one", "database that is no number"),
        ("redis://h?db=-1", "database that is no number"),
        ("redis://h/1?db=1", "twice"),
        ("redis://h?db=1&db=2", "twice"),
        ("redis://h?socket_timeout=1", "not socket_timeout"),
        ("redis://h?ssl_ca_certs=a", "not ssl_ca_certs"),
        ("rediss://h?ssl_cert_reqs=none", "not ssl_cert_reqs"),
        ("redis://h?sentinel_password=s3cret", "not sentinel_password"),
        ("rediss://h?ssl_check_hostname=no", "true or false"),
        ("rediss://h?ssl_certfile=a", "certificate file and its key file"),
        ("rediss://h?ssl_keyfile=a", "certificate file and its key file"),
        ("rediss://h?ssl_ca_certs=/nowhere/ca.pem", "no file /nowhere/ca.pem"),
        ("unix://", "names its path"),
        ("unix://h/s", "no host"),
        ("redis+sentinel://h", "names the service"),
        ("redis+sentinel://h/a/b", "names the service"),
        ("redis+cluster://h/1", "database 0"),
        ("redis+cluster://h?db=1", "database 0"),
    ],
)
def test_what_is_wrong_with_a_url_is_said_without_its_password(url: str, words: str) -> None:
    with pytest.raises(ValueError, match=re.escape(words)) as raised:
        parse_address(url)
    assert not re.search("s3|cret", str(raised.value))


def test_arguments_go_before_the_url(tmp_path: Path) -> None:
    for name in ("ca", "cert", "key", "other"):
        (tmp_path / name).touch()
    ca, cert, key, other = (str(tmp_path / name) for name in ("ca", "cert", "key", "other"))
    url = f"rediss://u:p@h?ssl_ca_certs={other}&ssl_keyfile={other}&ssl_certfile={cert}"
    address = parse_address(url, Login(None, "given"), Tls(ca_file=ca, key_file=key))
    assert (address.login, address.tls) == (Login("u", "given"), Tls(ca, cert, key))
    assert parse_address(url, Login("name", None)).login == Login("name", "p")
    unchecked = parse_address("rediss://h?ssl_check_hostname=true", tls=Tls(is_hostname_checked=False))
    assert unchecked.tls == Tls(is_hostname_checked=False)


def test_certificates_without_tls_are_refused() -> None:
    with pytest.raises(ValueError, match="rediss://"):
        parse_address("redis://h", tls=Tls(ca_file="ca.pem"))
    assert parse_address("redis://h", tls=Tls()).tls is None


def test_no_form_of_an_address_shows_a_password() -> None:
    address = parse_address("rediss+sentinel://u:s3cret@h/s?sentinel_password=s3cret2")
    servers = address.connect(1.0)
    assert "s3cret" not in f"{address} {address!r} {servers!r} {servers.client(b'')!r}"
