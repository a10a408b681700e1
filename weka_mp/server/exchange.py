"""One request and its answer.

The order is fixed: address, who, what, may they; only then is the body asked for (``100 Continue``), and only
when the mounts have forgotten what changed does the answer go out.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Final

import trio

from weka_mp.errors import AccessDenied, NamespaceError, PermissionRefused
from weka_mp.gateway.access import Access
from weka_mp.gateway.authorize import authorize, authorize_parsed, check_expected_owners, hide_missing
from weka_mp.gateway.bucket_cors import answer_preflight, fields_for_page
from weka_mp.gateway.context import Context
from weka_mp.gateway.dispatch import INLINE, PATIENT, dispatch
from weka_mp.gateway.error_map import to_s3_error
from weka_mp.gateway.objects_get import get_object
from weka_mp.gateway.post_object import FormCheck, FormUpload
from weka_mp.gateway.question_context import Sender
from weka_mp.gateway.reply import XML, Fields, ObjectReply, Reply
from weka_mp.gateway.uploads import begin_upload, wanted_checksums
from weka_mp.gateway.website import Visit
from weka_mp.observe.records import REQUEST_ID
from weka_mp.offload import run_blocking
from weka_mp.s3 import operations as op
from weka_mp.s3.authentication import authenticate
from weka_mp.s3.bodies import BODY_LIMITS
from weka_mp.s3.connection import Connection, RequestHead
from weka_mp.s3.credentials import Authentication
from weka_mp.s3.errors import S3Error, render_error, reply_has_body
from weka_mp.s3.parse import parse
from weka_mp.s3.parse_objects import refuse_unsigned_overrides
from weka_mp.s3.payload import BodyReader
from weka_mp.s3.presign import with_moved_headers
from weka_mp.s3.request import Address, Headers, address
from weka_mp.s3.routing import CORS_PREFLIGHT, OperationName, route
from weka_mp.s3.select_request import SelectObjectContent
from weka_mp.server import access_log
from weka_mp.server.access_log import RequestRecord
from weka_mp.server.announcing import announce, note
from weka_mp.server.auditing import Answered, Audited, is_audited, tell
from weka_mp.server.keep_alive import KeepAlive
from weka_mp.server.pacing import BAD_PROOFS
from weka_mp.server.query_exchange import XML_TYPE, answer_query, is_query
from weka_mp.server.receive_body import INLINE_BYTES, give_up, read_document, receive_into
from weka_mp.server.request_log import log_request, rules_of
from weka_mp.server.select_answer import EVENTS, Selection
from weka_mp.server.send_body import INLINE_BYTES as SMALL_OBJECT
from weka_mp.server.send_body import ChangedEarly, Truncated, read_small, send_large
from weka_mp.server.service import ALSO_ACCEPTED, Service
from weka_mp.server.website_visit import VISIT, answer_page, context_of, error_page, visit_of
from weka_mp.server.wire import PeerGone, Wire
from weka_mp.values import BucketName, ObjectKey

__all__ = ["Exchange"]

_log = logging.getLogger("weka_mp.server")
_ATTEMPTS: Final = 5  # of a small object that changes while it is read
_NANO: Final = 1e-9
_CLIENT_GONE: Final = 499  # in log and counts only: nobody was left to answer


class Exchange:
    """Serves one request on a connection."""

    def __init__(self, service: Service, wire: Wire, connection: Connection, head: RequestHead) -> None:
        self._service = service
        self._wire = wire
        self._connection = connection
        self._head = head
        self._started = service.clock.now_ns()
        self._origin = origin = service.proxies.origin(wire, head.request.headers)
        self.record = RequestRecord(service.request_id(), origin.remote, head.request.method)
        self._address: Address | None = None
        self._asking = service.asking()
        self._access: Access | None = None
        self._key_sought_in: BucketName | None = None
        self._for_page: Fields = ()
        self._key_sought: ObjectKey | None = None
        self._visit: Visit | None = None
        self._answered: Answered = ((), None)
        self._told = False  # the audit

    async def run(self) -> None:
        """Answer, whatever happens. Raises PeerGone, and Truncated when the connection must be reset."""
        REQUEST_ID.set(self.record.request_id)
        try:
            await self._answer()
        except (PeerGone, Truncated):
            raise
        except Exception as error:  # noqa: BLE001 - the client gets an answer and the log a traceback
            await self._announce_failure(error)
            spelt = self._spelt(error)
            try:
                await self._pace(spelt.code)
            except S3Error as slow_down:
                spelt = slow_down
            await self.refuse(spelt)
        finally:
            if not self._wire.expired:
                self.account()

    def account(self) -> None:
        """Count and log the request. Once, by whoever saw its end."""
        record = self.record
        record.status = record.status or _CLIENT_GONE
        self._tell(None)
        if self._access is not None:
            record.refusals = self._access.refusals
        record.seconds = (self._service.clock.now_ns() - self._started) * _NANO
        self._service.metrics.count(
            record.operation, record.status, record.seconds, record.received, record.sent
        )
        access_log.write(record)

    async def _pace(self, code: str | None) -> None:
        """Returns when a refusal is due: of a request that proves nothing not before others of its address.

        Raises S3Error SlowDown.
        """
        if code in BAD_PROOFS:
            service = self._service
            wait = service.pacing.wait_of_guess(self._origin.remote, trio.current_time())
            if wait > 0:
                service.metrics.slowed += 1
                await trio.sleep(wait)

    def _spelt(self, error: Exception) -> S3Error:
        """What the client is told of a failure."""
        if isinstance(error, NamespaceError):
            error = self._translated(error)
        if not isinstance(error, S3Error):
            _log.error("request %s failed", self.record.request_id, exc_info=error)
            return S3Error("InternalError")
        return self._without_hints(error)

    def _without_hints(self, error: S3Error) -> S3Error:
        """What this client may be told of a failure."""
        if self._access is None or error.code != "NoSuchKey":
            return error
        try:
            return hide_missing(self._access, error, self._key_sought_in, self._key_sought)
        except NamespaceError as failure:  # of looking whose bucket it is
            return self._translated(failure)

    def _translated(self, error: NamespaceError) -> S3Error:
        bucket, key = (self._address.bucket, self._address.key) if self._address else (None, None)
        translated, defect = to_s3_error(error, bucket, key)
        if isinstance(error, AccessDenied | PermissionRefused) and self._access is not None and bucket:
            self._access.refused_by_modes(bucket, key)
        if defect:
            _log.error("request %s failed", self.record.request_id, exc_info=error)
        return translated

    def _tell(self, sent: int | None) -> None:
        """The audit and buckets' logs, once, before the answer's last byte leaves: who has the answer has
        left a trace, however this process ends. sent: bytes of its body; None: it does not leave as a whole.
        """
        if self._told:
            return
        self._told = True  # also where nobody wants it: it is turned on for what is answered later
        service, record, access = self._service, self.record, self._access
        audited, rules = is_audited(service), rules_of(service, record)
        if not (audited or rules):
            return
        if access is not None:
            record.user, record.account = access.principal.shown, access.principal.owner
        about = Audited(
            self._started, self._head.request, self._address, self._answered, sent, self._origin.tls_version
        )
        if audited:
            tell(service, self._wire, record, about)
        if rules:
            log_request(service, self._wire, record, about, access, rules)

    # -- deciding --------------------------------------------------------------------------------------------

    async def _answer(self) -> None:
        request = self._head.request
        settings, pacing, origin = self._service.settings, self._service.pacing, self._origin
        pacing.check_address(origin.remote, trio.current_time())
        self._visit = visit_of(request, settings, origin.secure)
        if self._visit is not None:
            await self._show(self._visit)
            return
        self._address = where = address(request, settings.domains)
        self.record.bucket, self.record.key = where.bucket, where.key
        self._key_sought_in, self._key_sought = where.bucket, where.key
        if where.bucket is not None:
            if request.method == "OPTIONS":
                self.record.operation = CORS_PREFLIGHT
                namespace = self._service.site.namespace
                await self._send(answer_preflight(namespace, where.bucket, request.headers))
                return
            self._look_for_page(where.bucket)
        asking, now = self._asking, self._started * _NANO
        if is_query(request, where):
            await self._answer_query(now)
            return
        authentication = authenticate(
            request, now=now, lookup=asking.lookup, region=settings.region,
            regions=ALSO_ACCEPTED, allow_header_sigv2=settings.allow_sigv2,
            virtual_bucket=where.bucket if where.virtual_hosted else None, secure=origin.secure,
        )
        request = with_moved_headers(request, authentication)
        name = route(request, where)
        self.record.operation, self.record.access_key = name, authentication.access_key
        if authentication.access_key is None and name in ("GetObject", "HeadObject"):
            refuse_unsigned_overrides(request)
        if name == "PostObject":  # its form says who sends it: authorized once that was read
            await self._send(await self._form(where))
            return
        principal = asking.principal(authentication.access_key, now)
        pacing.check_user(principal, trio.current_time())
        sender = Sender(request, authentication, origin.remote, now, origin.tls_version)
        access = self._access = Access(self._service.site, principal, name, sender)
        authorize(principal, name, where, access)
        document = await self._document(name, authentication)
        if document is not None:
            self._decide_again(authentication)
        operation = parse(request, where, name, document)
        self._authorize_parsed(access, operation, request.headers)
        context = Context(self._service.site, access.principal, asked=access)
        if isinstance(operation, op.GetObject):
            await self._send_object(context, partial(get_object, context, operation))
        elif isinstance(operation, op.PutObject | op.UploadPart):
            await self._send(await self._upload(context, operation, authentication))
        elif isinstance(operation, SelectObjectContent):
            await self._select(context, operation)
        elif type(operation) in PATIENT:
            await self._answer_patiently(context, operation)
        else:
            await self._send(await self._dispatch(context, operation))

    async def _show(self, asked: Visit) -> None:
        """A website's page. Raises S3Error, NamespaceError."""
        record, now = self.record, self._started * _NANO
        record.operation, record.bucket = VISIT, asked.bucket
        self._key_sought_in = asked.bucket
        self._address = Address(asked.bucket, ObjectKey(asked.path) or None, True)
        record.key = self._key_sought = self._address.key
        self._look_for_page(asked.bucket)
        context = context_of(self._service, self._asking, asked, self._origin, now)
        self._access = context.access
        self._service.pacing.check_user(context.principal, trio.current_time())
        await self._send_object(context, partial(answer_page, context, asked, record))

    def _look_for_page(self, bucket: BucketName) -> None:
        """What a browser is told with the answer, be it an error, of a page of another origin."""
        request = self._head.request
        origin = request.headers.get("origin")
        if origin:
            namespace = self._service.site.namespace
            # No page can set it: browsers send it with a preflight alone, other programs to learn a rule.
            method = request.headers.get("access-control-request-method") or request.method
            self._for_page = fields_for_page(namespace, bucket, origin, method)

    def _decide_again(self, authentication: Authentication) -> None:
        """Once a body is there, which may have taken its time. Raises as `authorize` does."""
        access, where = self._access, self._address
        assert access is not None and where is not None
        access.look_again(self._asking.again(authentication.access_key, self._started * _NANO))
        authorize(access.principal, OperationName(access.operation), where, access)

    async def _answer_query(self, now: float) -> None:
        """STS and IAM."""
        record = self.record
        reply = await answer_query(
            self._service, self._wire, self._connection, self._head, record, now
        )
        record.code = reply.code
        await self._pace(reply.code)
        fields = (XML_TYPE, ("x-amzn-RequestId", record.request_id))
        await self._send_whole(reply.status, fields, reply.body, len(reply.body))

    def _authorize_parsed(self, access: Access, operation: op.Operation, headers: Headers) -> None:
        """What could not be decided before the request was parsed. Raises S3Error, NamespaceError."""
        owner = source = access.owner_of(self._key_sought_in).id
        if isinstance(operation, op.CopyObject | op.UploadPartCopy):
            self._key_sought_in, self._key_sought = operation.source_bucket, operation.source_key
            self.record.source = operation.source_bucket, operation.source_key
            authorize_parsed(access, operation)
            source = access.owner_of(operation.source_bucket).id
        else:
            authorize_parsed(access, operation)
        check_expected_owners(headers, owner, source)

    async def _document(self, name: OperationName, authentication: Authentication) -> bytes | None:
        """The whole body of an operation that is parsed from it."""
        limit = BODY_LIMITS.get(name)
        if limit is None:
            return None
        # Checksums that come with a completion speak of the object, not of the document.
        of_body = name != "CompleteMultipartUpload"
        reader = BodyReader(
            self._head.request, authentication, self._head.content_length, need_md5=False,
            checksum_is_of_body=of_body, max_length=limit,
        )
        document = await read_document(self._wire, self._connection, reader)
        self.record.received = len(document)
        return document

    async def _dispatch(self, context: Context, operation: op.Operation) -> Reply:
        if type(operation) in INLINE:
            return dispatch(context, operation)
        return await run_blocking(dispatch, context, operation)

    async def _answer_patiently(self, context: Context, operation: op.Operation) -> None:
        """Do what may take long; the client gets white space meanwhile."""
        keep = KeepAlive(
            self._wire, self._connection, lambda: self._head_bytes(200, XML, None),
            self._service.settings.limits.keep_alive_seconds,
        )
        patient = replace(context, begun=keep.allow)

        async def work() -> Reply:
            # Told here, so that it is told even if the client is gone.
            try:
                reply = await run_blocking(dispatch, patient, operation)
            except (NamespaceError, S3Error) as error:
                await self._announce_failure(error)
                raise
            await announce(self._service, reply.changes)
            await note(self._service, reply.happenings, self._access, self.record)
            return reply

        try:
            reply = await keep.during(work)
        except PeerGone:
            raise
        except Exception as error:
            if not self._connection.reply_begun:
                raise
            spelt = self._spelt(error)
            self.record.code = spelt.code
            document = self._error_document(spelt)
            self._tell(len(document))
            await keep.finish(document)
            return
        if self._connection.reply_begun:
            self._tell(len(reply.body))
            await keep.finish(reply.body)
            self.record.sent = len(reply.body)
        else:
            await self._send_whole(reply.status, reply.fields, reply.body, len(reply.body))

    async def _upload(
        self, context: Context, operation: op.PutObject | op.UploadPart, authentication: Authentication
    ) -> Reply:
        wanted = wanted_checksums(context, operation)
        request = self._head.request
        # A request that says nothing of a body has none (RFC 9112, 6.3), but S3 wants to be told so.
        length = self._head.content_length if "content-length" in request.headers else None
        reader = BodyReader(request, authentication, length, compute=wanted)
        size = reader.expected_length
        sent = reader.expected.algorithm
        if size > INLINE_BYTES:  # reserving space may take its time
            upload = await run_blocking(begin_upload, context, operation, size, wanted, sent)
        else:
            upload = begin_upload(context, operation, size, wanted, sent)
        try:
            await receive_into(self._wire, self._connection, reader, upload)
            self.record.received, self.record.body_ns = size, self._service.clock.now_ns()
            digest = reader.finish()
            self._decide_again(authentication)
            if self._service.settings.durable or size > INLINE_BYTES:
                return await run_blocking(upload.finish, digest)
            return upload.finish(digest)
        finally:
            await give_up(upload, size)

    async def _select(self, context: Context, operation: SelectObjectContent) -> None:
        selection = Selection(
            self._service, self._wire, self._connection, lambda: self._head_bytes(200, EVENTS, None),
            lambda: self._tell(None),
        )
        try:
            await selection.run(context, operation)
        finally:
            self.record.sent, self.record.code = selection.sent, selection.code

    async def _form(self, where: Address) -> Reply:
        request, service = self._head.request, self._service
        if self._head.content_length is None:
            raise S3Error("MissingContentLength")
        parse(request, where, OperationName("PostObject"), None)
        origin, began = self._origin, trio.current_time()
        check = FormCheck(
            self._started * _NANO, service.asking(), origin.remote, ALSO_ACCEPTED, origin.secure,
            origin.tls_version, lambda sender: service.pacing.check_user(sender, began),
        )
        upload = FormUpload(
            service.site, BucketName(where.bucket or ""), request.headers.get("host") or "",
            request.headers.get("content-type"), self._head.content_length, check,
        )
        try:
            await receive_into(self._wire, self._connection, upload, upload)
            return await run_blocking(upload.finish)
        finally:
            self.record.access_key, self.record.received = upload.access_key, upload.received
            self._access = upload.access
            await give_up(upload, upload.received)

    # -- answering -------------------------------------------------------------------------------------------

    async def _announce_failure(self, error: Exception) -> None:
        """Tell of what became visible before the operation failed, once."""
        # The gateway has spelt some itself.
        failure = error if isinstance(error, NamespaceError) else error.__cause__
        if isinstance(failure, NamespaceError):
            changes, failure.changes = failure.changes, ()
            await announce(self._service, changes)

    async def _send(self, reply: Reply) -> None:
        await announce(self._service, reply.changes)
        await note(self._service, reply.happenings, self._access, self.record)
        self.record.entries = reply.entries
        length = len(reply.body) if reply.length is None else reply.length
        await self._send_whole(reply.status, reply.fields, reply.body, length)

    async def _send_whole(
        self, status: int, fields: tuple[tuple[str, str], ...], body: bytes, length: int | None
    ) -> None:
        connection = self._connection
        head = self._head_bytes(status, fields, length)
        if not reply_has_body(self._head.request.method, status):
            self._tell(0)
            await self._wire.send(head)
            return
        self._tell(len(body))
        await self._wire.send(head + connection.send_body(body))
        connection.send_end()
        self.record.sent = len(body)

    def _head_bytes(self, status: int, fields: tuple[tuple[str, str], ...], length: int | None) -> bytes:
        if self._service.stopping:
            self._connection.close_after_reply()
        self.record.status, self.record.answered_ns = status, self._service.clock.now_ns()
        common = self._service.common_fields(self.record.request_id)
        answered = (*common, *self._for_page, *fields)
        self._answered = answered, length
        return self._connection.send_head(status, answered, length)

    async def _send_object(self, context: Context, opening: Callable[[], Reply | ObjectReply]) -> None:
        tick = context.namespace.store.primitives.change_grain_ns * _NANO
        for _ in range(_ATTEMPTS):
            reply = opening()
            if isinstance(reply, Reply):
                await self._send(reply)
                return
            try:
                if not reply.opened.settled:
                    await trio.sleep(tick)
                    continue
                await self._send_opened(reply)
                return
            except ChangedEarly:
                continue
            finally:
                reply.opened.close()
        raise S3Error("ServiceUnavailable", "The object is being changed too fast to be read.")

    async def _send_opened(self, reply: ObjectReply) -> None:
        self.record.object_size = reply.opened.info.size
        store = self._service.site.namespace.store
        if reply.length <= SMALL_OBJECT:
            await self._send_whole(reply.status, reply.fields, read_small(store, reply), reply.length)
            return
        head = self._head_bytes(reply.status, reply.fields, reply.length)
        await self._wire.send(head, more=True)
        await send_large(self._wire, store, reply, partial(self._tell, reply.length), self._count)
        self._connection.sent_aside(reply.length)
        self._connection.send_end()

    def _count(self, sent: int) -> None:
        self.record.sent += sent

    async def refuse(self, error: S3Error) -> None:
        """Send an error, or give the connection up when an answer was begun. Raises PeerGone."""
        self.record.code = error.code
        if self._connection.reply_begun:
            raise Truncated(error.code)
        body, kind = self._error_document(error), XML
        if self._visit is not None:
            body, kind = error_page(self._service, self.record, error)
        fields = (*kind, *error.headers.items())
        length = len(body) if self._head.request.method != "HEAD" else None
        await self._send_whole(error.status, fields, body, length)

    def _error_document(self, error: S3Error) -> bytes:
        resource = self._head.request.raw_path.decode("latin-1")
        return render_error(error, resource, self.record.request_id, self._service.host_id)
