"""PostObject: an upload by a browser's form, whose fields say who sends it, where to and under which policy.

Nothing of the file is taken before the form was authorized; it stands behind the fields in the same body.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import quote

from weka_mp.gateway.access import Access
from weka_mp.gateway.authorize import authorize, check_expected_owners
from weka_mp.gateway.context import Context, Site
from weka_mp.gateway.happening import created
from weka_mp.gateway.identities import Asking
from weka_mp.gateway.object_fields import quoted
from weka_mp.gateway.objects_put import ObjectUpload, upload_fields
from weka_mp.gateway.principals import Principal
from weka_mp.gateway.question_context import Sender
from weka_mp.gateway.reply import XML, Reply
from weka_mp.namespace import Changes
from weka_mp.s3 import operations as op
from weka_mp.s3 import xml_write
from weka_mp.s3.acl_requests import acl_in_headers
from weka_mp.s3.errors import S3Error
from weka_mp.s3.headers_in import object_metadata, refuse_misplaced, refuse_unbuilt
from weka_mp.s3.object_lock import asked_locks
from weka_mp.s3.payload import PayloadVerifier
from weka_mp.s3.post_form import FormFields, PostFormReader
from weka_mp.s3.post_upload import PostUpload, authorize_form
from weka_mp.s3.request import Address, Headers, S3Request
from weka_mp.s3.routing import OperationName
from weka_mp.s3.tags import TAGGING, header_text, object_tags
from weka_mp.values import BucketName

__all__ = ["FormCheck", "FormUpload"]

_NAME: Final = OperationName("PostObject")
_SEE_OTHER: Final = 303
_CREATED: Final = 201


@dataclass(frozen=True, slots=True)
class FormCheck:
    """What a form is held against. now: epoch seconds; regions: further ones that clients may sign for;
    remote: the client's address; secure: it spoke TLS; tls_version: which, where known.
    admit: called with who sends the form; what it raises refuses the form.
    """

    now: float
    asking: Asking
    remote: str
    regions: frozenset[str]
    secure: bool = False
    tls_version: str | None = None
    admit: Callable[[Principal], None] = lambda _: None


def _with_tags(form: PostUpload) -> Headers:
    """Its headers, with the tags of the field ``tagging`` as a PUT would send them.

    Raises S3Error InvalidArgument (both ways at once), and what `object_tags` raises.
    """
    if form.tagging is None:
        return form.headers
    if TAGGING in form.headers:
        details = {"ArgumentName": "tagging", "ArgumentValue": form.tagging}
        raise S3Error("InvalidArgument", "Tags are given by one field of a form.", details=details)
    tags = header_text(object_tags(form.tagging.encode("utf-8")))
    return Headers([*form.headers.items(), (TAGGING, tags)])


class FormUpload:
    """Both the reader and the sink of a form's body (server.receive_body). Used by one thread at a time."""

    def __init__(
        self, site: Site, bucket: BucketName, host: str, content_type: str | None, size: int, check: FormCheck
    ) -> None:
        """host: what the client calls us; size: bytes of the whole body. Raises S3Error."""
        self.expected_length = size
        self.access_key: str | None = None
        self.access: Access | None = None  # once its sender is known
        self.received = 0  # bytes of the file so far
        self._site = site
        self._bucket = bucket
        self._host = host
        self._check = check
        self._reader = PostFormReader(content_type)
        self._form: PostUpload | None = None
        self._verifier: PayloadVerifier | None = None
        self._upload: ObjectUpload | None = None

    def feed(self, data: memoryview) -> list[memoryview]:
        """Pieces of the file. Raises S3Error and NamespaceError."""
        pieces = []
        for event in self._reader.feed(data):
            if isinstance(event, FormFields):
                self._begin(event)
            else:
                self._account(event.data)
                pieces.append(event.data)
        return pieces

    def write(self, data: memoryview) -> None:
        """Append a piece of the file."""
        if self._upload is None:
            raise S3Error("MalformedPOSTRequest")
        self._upload.write(data)

    def _begin(self, fields: FormFields) -> None:
        check = self._check
        form = authorize_form(
            fields, self._bucket, now=check.now, lookup=check.asking.lookup, region=self._site.region,
            regions=check.regions, secure=check.secure,
        )
        self.access_key = form.authentication.access_key
        principal = check.asking.principal(form.authentication.access_key, check.now)
        check.admit(principal)
        headers = _with_tags(form)
        request = S3Request("POST", b"/", b"", (), headers)
        sender = Sender(request, form.authentication, check.remote, check.now, check.tls_version)
        access = self.access = Access(self._site, principal, _NAME, sender)
        authorize(principal, _NAME, Address(self._bucket, form.key, virtual_hosted=False), access)
        refuse_unbuilt(headers)
        refuse_misplaced(headers, _NAME)
        check_expected_owners(headers, access.owner_of(self._bucket).id)
        operation = op.PutObject(
            self._bucket, form.key, object_metadata(headers), op.NO_WRITE_CONDITIONS,
            acl_in_headers(headers), asked_locks(headers),
        )
        self._form = form
        self._verifier = form.new_verifier()
        # How much of the body is the file is not known; all of it is an upper bound, so nothing is reserved.
        self._upload = ObjectUpload(Context(self._site, principal, asked=access), operation, None)

    def _decide_again(self, form: PostUpload) -> None:
        """The file may have taken its time. Raises as `authorize` does."""
        access, check = self.access, self._check
        assert access is not None
        access.look_again(check.asking.again(form.authentication.access_key, check.now))
        where = Address(self._bucket, form.key, virtual_hosted=False)
        authorize(access.principal, _NAME, where, access)

    def _account(self, data: memoryview) -> None:
        if self._form is None or self._verifier is None:
            raise S3Error("MalformedPOSTRequest")
        self.received += len(data)
        self._form.check_length(self.received, is_complete=False)
        self._verifier.update(data)

    def finish(self) -> Reply:
        """Publish the file; blocks for the disk. Raises S3Error and NamespaceError."""
        self._reader.finish()
        if self._form is None or self._verifier is None or self._upload is None:
            raise S3Error("MalformedPOSTRequest")
        self._form.check_length(self.received, is_complete=True)
        self._decide_again(self._form)
        done = self._upload.publish(self._verifier.finish({}))
        fields = (*upload_fields(done.info), *self._upload.fields(done.info))
        reply = self._reply(self._form, done.info.etag, fields, done.changes)
        return replace(reply, happenings=created("ObjectCreated:Post", self._bucket, done))

    def _reply(
        self, form: PostUpload, etag: str, fields: tuple[tuple[str, str], ...], changes: Changes
    ) -> Reply:
        redirect = form.redirect_location(etag)
        if redirect is not None:
            return Reply(_SEE_OTHER, (("ETag", quoted(etag)), ("Location", redirect)), changes=changes)
        scheme = "https" if self._check.secure else "http"
        location = f"{scheme}://{self._host}/{self._bucket}/{quote(form.key, safe='/')}"
        fields = (*fields, ("Location", location))
        if form.success_status != _CREATED:
            return Reply(form.success_status, fields, changes=changes)
        document = xml_write.post_response(location, self._bucket, form.key, etag)
        return Reply(_CREATED, (*XML, *fields), document, changes)

    @property
    def unfinished(self) -> bool:
        """Whether something is open that was not published."""
        return self._upload is not None and self._upload.unfinished

    def abort(self) -> None:
        """Give back what was not finished."""
        if self._upload is not None:
            self._upload.abort()
