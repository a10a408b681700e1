"""Peers that talk in frames over a trio stream: both sides may ask and answer.

A peer answers requests concurrently (a bounded number at once), so a verb that waits does not hold up the
others; the order of answers is not the order of requests. A malformed frame ends the connection.
"""

from __future__ import annotations

import logging
import os
import socket
import stat
from collections.abc import Awaitable, Callable, Mapping

import trio

from weka_mp.ipc.frames import ERROR, OK, Frame, FrameError, FrameReader, encode

__all__ = [
    "CallTimeout",
    "Handler",
    "Peer",
    "PeerGone",
    "RemoteFailure",
    "connect_unix",
    "listen_unix",
    "serve_unix",
]

log = logging.getLogger(__name__)

Handler = Callable[[object], Awaitable[object]]
"""Answers one verb: arguments in, result out, both as msgpack carries them."""

_AT_ONCE = 64  # requests of one peer that are answered at the same time; more wait in the socket
_CHUNK = 64 * 1024


class PeerGone(Exception):
    """The other side closed the connection, or sent what is no frame."""


class CallTimeout(Exception):
    """No answer within the time allowed."""


class RemoteFailure(Exception):
    """The other side answered with an error. `kind` is its exception's class name."""

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(text or kind)
        self.kind = kind


class Peer:
    """One end of a connection. `run` must be running for calls to be answered in either direction."""

    def __init__(self, stream: trio.abc.Stream, handlers: Mapping[str, Handler] | None = None) -> None:
        self._stream = stream
        self._handlers = dict(handlers or {})
        self._waiting: dict[int, trio.MemorySendChannel[Frame]] = {}
        self._next_id = 1
        self._send_lock = trio.Lock()
        self._slots = trio.CapacityLimiter(_AT_ONCE)
        self._gone = trio.Event()

    @property
    def gone(self) -> trio.Event:
        """Set once the connection has ended."""
        return self._gone

    def answer(self, verb: str, handler: Handler) -> None:
        """Answer one more verb from now on."""
        self._handlers[verb] = handler

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Read and answer until the connection ends. Never raises for what the other side did."""
        try:
            async with trio.open_nursery() as nursery:
                task_status.started()
                await self._read(nursery)
                nursery.cancel_scope.cancel()
        finally:
            self._end()

    async def call(self, verb: str, args: object = None, *, timeout: float = 5.0) -> object:
        """Ask and wait (`timeout` seconds) for the result. Raises PeerGone, CallTimeout, RemoteFailure."""
        if self._gone.is_set():
            raise PeerGone("the connection has ended")
        number, self._next_id = self._next_id, self._next_id + 1
        send, receive = trio.open_memory_channel[Frame](1)
        self._waiting[number] = send
        try:
            with trio.fail_after(timeout):
                await self._send(Frame(number, verb, args))
                answer = await receive.receive()
        except trio.TooSlowError:
            raise CallTimeout(f"{verb}: no answer within {timeout:g} s") from None
        except trio.EndOfChannel:
            raise PeerGone(f"{verb}: the connection ended") from None
        finally:
            self._waiting.pop(number, None)
        return _result(answer)

    async def notify(self, verb: str, args: object = None) -> None:
        """Tell without asking for an answer; PeerGone when the connection has ended."""
        await self._send(Frame(0, verb, args))

    async def aclose(self) -> None:
        """Close the connection; calls under way raise PeerGone."""
        self._end()
        await self._stream.aclose()

    async def _send(self, frame: Frame) -> None:
        data = encode(frame)
        async with self._send_lock:
            try:
                # Half a frame would corrupt the stream, so a started one is finished (or times out).
                with trio.CancelScope(shield=True) as scope:
                    scope.relative_deadline = 5.0
                    await self._stream.send_all(data)
                if scope.cancelled_caught:
                    await trio.aclose_forcefully(self._stream)
                    raise PeerGone("the other side does not read")
            except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
                raise PeerGone("the connection has ended") from error

    async def _read(self, nursery: trio.Nursery) -> None:
        reader = FrameReader()
        try:
            while data := await self._stream.receive_some(_CHUNK):
                for frame in reader.feed(bytes(data)):
                    await self._dispatch(frame, nursery)
            reader.finish()
        except FrameError as error:
            log.warning("malformed frame, connection closed: %s", error)
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            log.debug("connection broken: %r", error)
        finally:
            await trio.aclose_forcefully(self._stream)

    async def _dispatch(self, frame: Frame, nursery: trio.Nursery) -> None:
        if frame.is_answer:
            channel = self._waiting.get(frame.id)
            if channel is not None:  # else: the caller gave up
                channel.send_nowait(frame)
            return
        slot = object()
        await self._slots.acquire_on_behalf_of(slot)
        nursery.start_soon(self._answer, frame, slot)

    async def _answer(self, frame: Frame, slot: object) -> None:
        try:
            handler = self._handlers.get(frame.verb)
            if handler is None:
                answer = Frame(frame.id, ERROR, ["UnknownVerb", frame.verb])
            else:
                answer = await _answer_of(handler, frame)
            if frame.id:
                try:
                    await self._send(answer)
                except PeerGone:
                    log.debug("nobody waits for the answer to %s", frame.verb)
        finally:
            self._slots.release_on_behalf_of(slot)

    def _end(self) -> None:
        self._gone.set()
        for channel in self._waiting.values():
            channel.close()


async def _answer_of(handler: Handler, frame: Frame) -> Frame:
    try:
        return Frame(frame.id, OK, await handler(frame.args))
    except Exception as error:  # a handler's failure is the asker's answer, not the end of this process
        log.debug("%s failed", frame.verb, exc_info=error)
        return Frame(frame.id, ERROR, [type(error).__name__, str(error)])


def _result(answer: Frame) -> object:
    if answer.verb == OK:
        return answer.args
    match answer.args:
        case [str(kind), str(text)]:
            raise RemoteFailure(kind, text)
    raise RemoteFailure("Error", repr(answer.args))


def listen_unix(path: str, *, mode: int = 0o600) -> trio.SocketListener:
    """Listen at `path`, replacing a stale socket there (OSError). Only its owner may connect."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        _remove_stale(path)
        sock.bind(path)
        os.chmod(path, mode)
        sock.listen(128)
    except BaseException:
        sock.close()
        raise
    return trio.SocketListener(trio.socket.from_stdlib_socket(sock))


def _remove_stale(path: str) -> None:
    try:
        if stat.S_ISSOCK(os.lstat(path).st_mode):
            os.unlink(path)
    except FileNotFoundError:
        return


async def serve_unix(
    path: str,
    handlers: Mapping[str, Handler],
    *,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Answer `handlers` for everyone who connects at `path`, until cancelled; the socket is removed then."""
    listener = listen_unix(path)

    async def serve_one(stream: trio.abc.Stream) -> None:
        await Peer(stream, handlers).run()

    try:
        await trio.serve_listeners(serve_one, [listener], task_status=_Started(task_status))
    finally:
        _remove_stale(path)


class _Started:
    """Hands `started` on without the listeners that trio would report."""

    def __init__(self, task_status: trio.TaskStatus[None]) -> None:
        self._task_status = task_status

    def started(self, value: object = None) -> None:
        self._task_status.started()


async def connect_unix(
    path: str, handlers: Mapping[str, Handler] | None = None, *, timeout: float = 2.0
) -> Peer:
    """A peer connected to the socket at `path`; the caller starts its `run`. PeerGone when nobody listens."""
    try:
        with trio.fail_after(timeout):
            stream = await trio.open_unix_socket(path)
    except (OSError, trio.TooSlowError) as error:
        raise PeerGone(f"{path}: {error}") from error
    return Peer(stream, handlers)
