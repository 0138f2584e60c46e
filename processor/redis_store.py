"""The store on Redis 7 or Valkey: per partition a few hashes of one cluster slot, changed by one function (redis_put.lua).

`{app:topic:partition}:meta` holds label, header, and which buckets there are with how many states; `…:open` and `…:closed:<minute>` are the
buckets, trace id to state. Nothing of a state expires: the server's clock is not partition time.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from importlib.resources import files
from itertools import chain
from typing import Any, NamedTuple

from redis import Redis
from redis.connection import ConnectionInterface
from redis.exceptions import MovedError, RedisClusterException, RedisError, ResponseError
from redis.exceptions import TimeoutError as NoAnswerError

from processor.record import PartitionKey
from processor.redis_address import RedisAddress, reason
from processor.store import OPEN, Delta, Label, Snapshot, StoreUnavailableError, Written

# Named in redis_put.lua too. Raised with every change of the file: workers of two versions may share a server.
FUNCTION = b"betrace_put_2"
# A whole state from this size on is brought in parts, and then switched to.
STAGED_BYTES_MIN = 8 << 20
# Changes that hold so much in all may take as long as a load.
LARGE_BYTES_MIN = 1 << 20

_NOT_FOUND = "Function not found"
_OPEN_NAME = b"open"
_META_FIELDS = (b"label", b"hash", b"header", b"buckets", b"write")
# How often what another worker changed meanwhile is looked at anew, and a server that said that it is the wrong one is left.
_TRY_COUNT = 3
_SCAN_COUNT = b"1000"
_ARGUMENTS_MAX = 4_000
_SENT_BYTES = 1 << 17
# How the protocol says sizes of arguments: of nearly all that a state has.
_SIZES = [b"$%d" % size for size in range(1 << 12)]
# What nobody switched to, for its worker was killed, does not stay.
_STAGED_LIFE_MS = b"600000"


class _Call(NamedTuple):
    """A command, and the key by which its server is found."""

    key: bytes
    arguments: Sequence[bytes]


class _Meta(NamedTuple):
    """What a partition's meta hash says; `write` is another one after each write."""

    label: Label
    header: bytes
    buckets: bytes
    write: bytes


class _Keys(NamedTuple):
    """The keys of a partition. The braces make one slot of them."""

    prefix: bytes

    @property
    def meta(self) -> bytes:
        return self.prefix + b":meta"

    def bucket(self, name: bytes) -> bytes:
        return self.prefix + b":" + (name if name == _OPEN_NAME else b"closed:" + name)

    def staged(self, write: bytes, name: bytes) -> bytes:
        return self.prefix + b":next:" + write + b":" + name


class _Deadline:
    """Until when a call has to be over."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._until = time.monotonic() + seconds

    def left(self) -> float:
        """Return how many seconds are left. Raises NoAnswerError when none are."""
        left = self._until - time.monotonic()
        if left <= 0:
            raise NoAnswerError(f"no answer within {self._seconds:g} s")
        return left


class RedisStore:
    """The states of an app's partitions. `app` keeps apps apart that share a server; the workers of one group name the same.

    A change is given up after `timeout_s`, a load, a whole state or a large change after `load_timeout_s`. Connecting may take `timeout_s`
    more for each host, and the last piece of an answer as long as it keeps coming.
    """

    def __init__(self, address: RedisAddress, app: str, *, timeout_s: float = 1.0, load_timeout_s: float = 10.0) -> None:
        if not app or set("{}") & set(app):
            raise ValueError("the name of an app in Redis has at least one character, and no braces")
        self._address = address
        self._app = app
        self._timeout_s = timeout_s
        self._load_timeout_s = load_timeout_s
        self._servers = address.connect(timeout_s)

    def load(self, key: PartitionKey) -> Snapshot | None:
        """Return the state of a partition. Raises StoreUnavailableError, also where a part of it is missing."""
        keys = self._keys(key)
        with self._explained(self._load_timeout_s) as deadline:
            for _ in range(_TRY_COUNT):
                meta = _meta(self._answers([_read_meta(keys)], deadline)[0])
                if meta is None:
                    return None
                states = self._states(keys, meta, deadline)
                if states is not None:
                    return Snapshot(meta.label, meta.header, states)
        raise self._unavailable(f"the state of {key.topic}/{key.partition} is being written by another worker all the time")

    def write(self, deltas: Mapping[PartitionKey, Delta]) -> dict[PartitionKey, Written]:
        """Write each change whole or not at all. Raises StoreUnavailableError; what became of each is then not known."""
        is_large = any(delta.base is None for delta in deltas.values()) or _size(_puts(deltas)) >= LARGE_BYTES_MIN
        with self._explained(self._load_timeout_s if is_large else self._timeout_s) as deadline:
            writes = [_Write(key, self._keys(key), delta) for key, delta in deltas.items()]
            try:
                self._answers([call for write in writes for call in write.staging()], deadline)
                written = self._put(writes, deadline)
            except BaseException:
                self._remove_staged(writes)
                raise
            self._remove_staged(write for write in writes if written[write.partition] is not Written.DONE)
            return written

    def disown(self, key: PartitionKey) -> None:
        """Take the label off a state: what is left is no state, and the next whole one removes it. Raises StoreUnavailableError."""
        meta = self._keys(key).meta
        with self._explained(self._timeout_s) as deadline:
            self._answers([_Call(meta, (b"HDEL", meta, b"label"))], deadline)

    def close(self) -> None:
        """Close the connections."""
        self._servers.renew()

    def _put(self, writes: Sequence[_Write], deadline: _Deadline) -> dict[PartitionKey, Written]:
        written: dict[PartitionKey, Written] = {}
        for _ in range(_TRY_COUNT):
            left = [write for write in writes if write.partition not in written]
            whole = [write for write in left if write.is_whole]
            answers = self._answers([_Call(write.keys.meta, (b"HGET", write.keys.meta, b"buckets")) for write in whole], deadline)
            known = {write.partition: answer or b"" for write, answer in zip(whole, answers, strict=True)}
            words = self._answers([write.call(known.get(write.partition, b"")) for write in left], deadline)
            for write, word in zip(left, words, strict=True):
                if word == b"unstaged":
                    raise self._unavailable("what was staged of a whole state is gone: is the server short of memory?")
                if word != b"buckets":
                    written[write.partition] = Written(word.decode())
            if len(written) == len(writes):
                return written
        raise self._unavailable("a state is being written by another worker all the time")

    def _remove_staged(self, writes: Iterator[_Write] | Sequence[_Write]) -> None:
        calls = [_Call(write.keys.meta, (b"UNLINK", *write.staged_keys)) for write in writes if write.staged_keys]
        # Only to be tidy: it expires.
        with suppress(StoreUnavailableError), self._explained(self._timeout_s) as deadline:
            self._answers(calls, deadline)

    def _states(self, keys: _Keys, meta: _Meta, deadline: _Deadline) -> dict[int, dict[bytes, bytes]] | None:
        """Read the buckets page by page; None where another worker has written meanwhile."""
        counts = _counts(meta.buckets)
        states: dict[bytes, dict[bytes, bytes]] = {name: {} for name in counts}
        cursors = dict.fromkeys(counts, b"0")
        while cursors:
            scans = [_Call(keys.meta, (b"HSCAN", keys.bucket(name), cursor, b"COUNT", _SCAN_COUNT)) for name, cursor in cursors.items()]
            *pages, there = self._answers([*scans, _read_meta(keys)], deadline)
            if _meta(there) != meta:
                return None
            for name, (_, page) in zip(cursors, pages, strict=True):
                states[name].update(zip(page[::2], page[1::2], strict=True))
            cursors = {name: cursor for name, (cursor, _) in zip(cursors, pages, strict=True) if cursor != b"0"}
        if any(len(states[name]) != count for name, count in counts.items()):
            raise self._unavailable("a part of a state is missing: does the server evict keys? It needs the policy noeviction")
        return {OPEN if name == _OPEN_NAME else int(name): some for name, some in states.items()}

    def _answers(self, calls: Sequence[_Call], deadline: _Deadline) -> list[Any]:
        """Return the answers in order. Loads the function where it is missing, and follows a cluster's slots where they have moved."""
        answers = self._ask(calls, deadline)
        for _ in range(_TRY_COUNT):
            moved = [place for place, answer in enumerate(answers) if isinstance(answer, MovedError)]
            missing = [place for place, answer in enumerate(answers) if isinstance(answer, ResponseError) and _NOT_FOUND in str(answer)]
            if moved:
                self._servers.renew()
            if missing:
                self._load_function({calls[place].key for place in missing}, deadline)
            again = moved + missing
            for place, answer in zip(again, self._ask([calls[place] for place in again], deadline), strict=True):
                answers[place] = answer
        for answer in answers:
            if isinstance(answer, RedisError):
                raise answer
        return answers

    def _load_function(self, keys: Collection[bytes], deadline: _Deadline) -> None:
        code = files("processor").joinpath("redis_put.lua").read_bytes()
        one_key_a_server = {self._servers.client(key): key for key in keys}.values()
        for answer in self._ask([_Call(key, (b"FUNCTION", b"LOAD", b"REPLACE", code)) for key in one_key_a_server], deadline):
            if isinstance(answer, RedisError):
                raise answer

    def _ask(self, calls: Sequence[_Call], deadline: _Deadline) -> list[Any]:
        """Return the answers in order, errors among them. Each server is sent all of its calls before anything is read."""
        answers: list[Any] = [None] * len(calls)
        places: dict[Redis, list[int]] = {}
        for place, call in enumerate(calls):
            places.setdefault(self._servers.client(call.key), []).append(place)
        with ExitStack() as leases:
            connections = {client: leases.enter_context(_leased(client)) for client in places}
            for client, connection in connections.items():
                connection.send_packed_command(_packed([calls[place].arguments for place in places[client]], deadline))
            for client, connection in connections.items():
                for place in places[client]:
                    try:
                        answers[place] = connection.read_response(timeout=deadline.left())
                    except ResponseError as error:
                        answers[place] = error
        return answers

    def _keys(self, key: PartitionKey) -> _Keys:
        return _Keys(f"{{{self._app}:{key.topic}:{key.partition}}}".encode())

    @contextmanager
    def _explained(self, seconds: float) -> Iterator[_Deadline]:
        """Say in an operator's words what the library raises."""
        try:
            yield _Deadline(seconds)
        except (RedisError, RedisClusterException, OSError) as error:
            with suppress(RedisError, RedisClusterException, OSError):
                self._servers.renew()
            raise self._unavailable(reason(error)) from error

    def _unavailable(self, why: str) -> StoreUnavailableError:
        return StoreUnavailableError(f"Redis at {self._address}: {why}")


class _Write:
    """One partition's write, on its way."""

    def __init__(self, partition: PartitionKey, keys: _Keys, delta: Delta) -> None:
        self.partition = partition
        self.keys = keys
        self.is_whole = delta.base is None
        self._delta = delta
        self._mark = uuid.uuid4().hex.encode()
        self._states = {_name(bucket): states for bucket, states in delta.put.items() if states}
        is_staged = self.is_whole and _size(self._states.values()) >= STAGED_BYTES_MIN
        self.staged_keys = tuple(keys.staged(self._mark, name) for name in self._states) if is_staged else ()

    def staging(self) -> Iterator[_Call]:
        """Return the calls that bring a large state in parts, to keys of their own."""
        for key, states in zip(self.staged_keys, self._states.values(), strict=False):
            flat = tuple(chain.from_iterable(states.items()))
            for begin in range(0, len(flat), _ARGUMENTS_MAX):
                yield _Call(self.keys.meta, (b"HSET", key, *flat[begin : begin + _ARGUMENTS_MAX]))
                if begin == 0:
                    yield _Call(self.keys.meta, (b"PEXPIRE", key, _STAGED_LIFE_MS))

    def call(self, known: bytes) -> _Call:
        """Return the call of the function. `known` are the buckets that a whole state takes the place of, as meta names them."""
        delta = self._delta
        removed = sorted({*_counts(known), *self._states} if self.is_whole else {_name(bucket) for bucket in delta.passed})
        thinned = {} if self.is_whole else {_name(bucket): ids for bucket, ids in delta.gone.items() if ids}
        closing = {} if self.is_whole else {_name(bucket): heads for bucket, heads in delta.closed.items() if heads}
        base = delta.base or Label(-1, "")
        mode = b"staged" if self.staged_keys else b"whole" if self.is_whole else b"change"
        names = (_OPEN_NAME, *removed, *thinned, *self._states, *closing)
        keys = [self.keys.meta, *map(self.keys.bucket, names), *self.staged_keys]
        arguments = [mode, *_label(base), known, *_label(delta.label), delta.header, self._mark]
        arguments += [_number(len(some)) for some in (removed, thinned, self._states, closing)]
        arguments += removed
        for name, ids in thinned.items():
            arguments += (name, _number(len(ids)))
            arguments += ids
        for name, states in self._states.items():
            if self.staged_keys:
                arguments += (name, b"0")
            else:
                arguments += _pairs(name, states)
        for name, heads in closing.items():
            arguments += _pairs(name, heads)
        return _Call(self.keys.meta, (b"FCALL", FUNCTION, _number(len(keys)), *keys, *arguments))


@contextmanager
def _leased(client: Redis) -> Iterator[ConnectionInterface]:
    """Take a connection; one that something went wrong with may have answers under way, and is closed."""
    pool = client.connection_pool
    connection = pool.get_connection()
    try:
        yield connection
    except BaseException:
        connection.disconnect()
        raise
    finally:
        pool.release(connection)


def _packed(commands: Sequence[Sequence[bytes]], deadline: _Deadline) -> Iterator[bytes]:
    """Write commands in Redis's protocol, in pieces that are sent while the next one is made. The library's own way takes much longer."""
    pieces: list[bytes] = []
    size = 0
    for arguments in commands:
        pieces.append(b"*%d\r\n" % len(arguments))
        for begin in range(0, len(arguments), _ARGUMENTS_MAX):
            piece = _with_sizes(arguments[begin : begin + _ARGUMENTS_MAX])
            pieces.append(piece)
            size += len(piece)
            if size >= _SENT_BYTES:
                deadline.left()
                yield b"".join(pieces)
                pieces, size = [], 0
    if pieces:
        yield b"".join(pieces)


def _with_sizes(arguments: Sequence[bytes]) -> bytes:
    """Write arguments, each behind its size; nothing here is done by Python for each of them unless they are large."""
    sizes = list(map(len, arguments))
    heads = map(_SIZES.__getitem__, sizes) if max(sizes) < len(_SIZES) else map(b"$%d".__mod__, sizes)
    return b"\r\n".join((*chain.from_iterable(zip(heads, arguments, strict=True)), b""))


def _read_meta(keys: _Keys) -> _Call:
    return _Call(keys.meta, (b"HMGET", keys.meta, *_META_FIELDS))


def _meta(values: Sequence[bytes | None]) -> _Meta | None:
    """Read what HMGET answered; None where there is no state."""
    label, label_hash, header, buckets, write = (value or b"" for value in values)
    return _Meta(Label(int(label), label_hash.decode()), header, buckets, write) if label else None


def _counts(buckets: bytes) -> dict[bytes, int]:
    """Read the buckets as meta names them: `open=12,29000001=3`."""
    pairs = (part.split(b"=") for part in buckets.split(b",") if part)
    return {name: int(count) for name, count in pairs}


def _name(bucket: int) -> bytes:
    return _OPEN_NAME if bucket == OPEN else _number(bucket)


def _pairs(name: bytes, some: Mapping[bytes, bytes]) -> list[bytes]:
    return [name, _number(2 * len(some)), *chain.from_iterable(some.items())]


def _number(number: int) -> bytes:
    return b"%d" % number


def _label(label: Label) -> tuple[bytes, bytes]:
    return _number(label.offset), label.hash.encode()


def _puts(deltas: Mapping[PartitionKey, Delta]) -> list[Mapping[bytes, bytes]]:
    return [states for delta in deltas.values() for states in (*delta.put.values(), *delta.closed.values())]


def _size(states: Collection[Mapping[bytes, bytes]]) -> int:
    return sum(len(trace_id) + len(state) for some in states for trace_id, state in some.items())
