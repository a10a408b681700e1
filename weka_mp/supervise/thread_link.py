"""The link to the supervisor for a child whose main thread belongs to something else:

an event loop of its own.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable

import trio

from weka_mp.ipc.peers import Handler, Peer, PeerGone

__all__ = ["LinkThread"]

log = logging.getLogger(__name__)

_HINT_INTERVAL = 0.5  # seconds that hints are collected for
_MOST_HINTS = 10_000  # paths of one message: far below the largest frame
_FLUSH_SECONDS = 2.0


class LinkThread:
    """Started by `start`; all other methods may be called from any thread and never wait, but for `flush`."""

    def __init__(self, control_fd: int, handlers: dict[str, Handler]) -> None:
        self._fd = control_fd
        self._handlers = {**handlers, "alive": self._alive}
        self._beaten: float | None = None
        self._started = threading.Event()
        self._gone: Callable[[], None] = lambda: None
        self._token: trio.lowlevel.TrioToken | None = None
        self._send, self._receive = trio.open_memory_channel[tuple[str, object]](math.inf)
        self._dirty: set[bytes] = set()
        self._hinted = trio.Event()
        self._thread = threading.Thread(target=self._main, name="supervisor-link", daemon=True)

    def start(self) -> None:
        """Begin to answer the supervisor."""
        self._thread.start()
        self._started.wait()

    def on_gone(self, action: Callable[[], None]) -> None:
        """Call `action` (in the link's thread) when the supervisor is gone."""
        self._gone = action

    def beat(self) -> None:
        """The main thread's own loop goes round: called about once a second from there, the supervisor learns
        when it stops.
        """
        self._beaten = time.monotonic()

    async def _alive(self, args: object) -> object:
        """Seconds since the last beat; None before the first."""
        return None if self._beaten is None else time.monotonic() - self._beaten

    def tell(self, verb: str, args: object = None) -> None:
        """Tell the supervisor, in the order of the calls; without effect when it is gone."""
        self._soon(self._send.send_nowait, (verb, args))

    def hint_dirty(self, path: bytes) -> None:
        """Tell the supervisor some time soon that a file needs an ETag; `path` is below the store."""
        self._soon(self._note, path)

    def flush(self) -> None:
        """Wait (not for ever) until everything told has been sent, or the supervisor is gone;

        the link ends.
        """
        self._soon(self._send.close)
        self._thread.join(_FLUSH_SECONDS)

    def _soon(self, call: Callable[..., object], *args: object) -> None:
        if self._token is None:
            raise RuntimeError("the link has not been started")
        try:
            self._token.run_sync_soon(call, *args)
        except trio.RunFinishedError:
            log.debug("the supervisor is gone and hears nothing any more")

    def _note(self, path: bytes) -> None:
        if len(self._dirty) < _MOST_HINTS:  # what does not fit is found by the next scan
            self._dirty.add(path)
            self._hinted.set()

    def _main(self) -> None:
        trio.run(self._serve)

    async def _serve(self) -> None:
        sock = trio.socket.fromfd(self._fd, trio.socket.AF_UNIX, trio.socket.SOCK_STREAM)
        peer = Peer(trio.SocketStream(sock), self._handlers)
        self._token = trio.lowlevel.current_trio_token()
        self._started.set()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._run_peer, peer)
            nursery.start_soon(self._send_hints, peer)
            await self._send_told(peer)
            nursery.cancel_scope.cancel()

    async def _run_peer(self, peer: Peer) -> None:
        await peer.run()
        self._gone()

    async def _send_told(self, peer: Peer) -> None:
        """Until `flush`."""
        async for verb, args in self._receive:
            try:
                await peer.notify(verb, args)
            except PeerGone:
                log.debug("nobody hears %s any more", verb)

    async def _send_hints(self, peer: Peer) -> None:
        while True:
            await self._hinted.wait()
            await trio.sleep(_HINT_INTERVAL)
            self._hinted = trio.Event()
            paths, self._dirty = sorted(self._dirty), set()
            try:
                await peer.notify("dirty", paths)
            except PeerGone:
                return
