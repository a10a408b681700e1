"""The link to the supervisor for a child whose main thread belongs to something else:

an event loop of its own.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

import trio

from weka_mp.supervise.ipc import Handler, Peer, PeerGone

__all__ = ["LinkThread"]

log = logging.getLogger(__name__)

_HINT_INTERVAL = 0.5  # seconds that hints are collected for
_MOST_HINTS = 10_000  # paths of one message: far below the largest frame


class LinkThread:
    """Started by `start`; all other methods may be called from any thread but the link's own."""

    def __init__(self, control_fd: int, handlers: dict[str, Handler]) -> None:
        self._fd = control_fd
        self._handlers = handlers
        self._started = threading.Event()
        self._gone: Callable[[], None] = lambda: None
        self._token: trio.lowlevel.TrioToken | None = None
        self._peer: Peer | None = None
        self._dirty: set[bytes] = set()
        self._hinted: trio.Event | None = None
        self._thread = threading.Thread(target=self._main, name="supervisor-link", daemon=True)

    def start(self) -> None:
        """Begin to answer the supervisor."""
        self._thread.start()
        self._started.wait()

    def on_gone(self, action: Callable[[], None]) -> None:
        """Call `action` (in the link's thread) when the supervisor is gone."""
        self._gone = action

    def tell(self, verb: str, args: object = None) -> None:
        """Tell the supervisor and wait until it is sent; without effect when it is gone."""
        peer = self._peer
        if peer is None:
            raise RuntimeError("the link has not been started")
        try:
            trio.from_thread.run(peer.notify, verb, args, trio_token=self._token)
        except (PeerGone, trio.RunFinishedError):
            log.debug("nobody hears %s any more", verb)

    def hint_dirty(self, path: bytes) -> None:
        """Tell the supervisor some time soon that a file needs an ETag;

        never waits. `path` is below the store.
        """
        if self._token is None:
            return
        try:
            self._token.run_sync_soon(self._note, path)
        except trio.RunFinishedError:
            log.debug("nobody hears of %r any more", path)

    def _note(self, path: bytes) -> None:
        # What does not fit is found by the next scan.
        if len(self._dirty) < _MOST_HINTS and self._hinted is not None:
            self._dirty.add(path)
            self._hinted.set()

    def _main(self) -> None:
        trio.run(self._serve)

    async def _serve(self) -> None:
        sock = trio.socket.fromfd(self._fd, trio.socket.AF_UNIX, trio.socket.SOCK_STREAM)
        self._peer = peer = Peer(trio.SocketStream(sock), self._handlers)
        self._token = trio.lowlevel.current_trio_token()
        self._hinted = trio.Event()
        self._started.set()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._send_hints, peer)
            await peer.run()
            nursery.cancel_scope.cancel()
        self._gone()

    async def _send_hints(self, peer: Peer) -> None:
        while True:
            assert self._hinted is not None
            await self._hinted.wait()
            await trio.sleep(_HINT_INTERVAL)
            self._hinted = trio.Event()
            paths, self._dirty = sorted(self._dirty), set()
            try:
                await peer.notify("dirty", paths)
            except PeerGone:
                return
