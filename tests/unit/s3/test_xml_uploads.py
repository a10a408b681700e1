"""Every reply document about multipart uploads, byte by byte."""

from __future__ import annotations

from dataclasses import replace

from tests.unit.s3.test_xml_write import ISO, MD5, QUOTED, TIME, document
from weka_mp.s3.xml_elements import CopyResult, Owner
from weka_mp.s3.xml_uploads import (
    CompletedUpload,
    PartRow,
    PartsPage,
    UploadRow,
    UploadsPage,
    complete_multipart_upload_result,
    copy_part_result,
    initiate_multipart_upload_result,
    list_multipart_uploads_result,
    list_parts_result,
)

OWNER = Owner("id", "me")
WHO = (
    b"<Initiator><ID>id</ID><DisplayName>me</DisplayName></Initiator>"
    b"<Owner><ID>id</ID><DisplayName>me</DisplayName></Owner>"
)


def test_beginning_and_completion() -> None:
    assert initiate_multipart_upload_result("b", b"k\r", "u") == document(
        b"InitiateMultipartUploadResult", b"<Bucket>b</Bucket><Key>k&#xd;</Key><UploadId>u</UploadId>")
    done = CompletedUpload("http://h/b/k", "b", b"k", f"{MD5}-2", (("SHA1", "x-2"),), "COMPOSITE")
    assert complete_multipart_upload_result(done) == document(
        b"CompleteMultipartUploadResult",
        b"<Location>http://h/b/k</Location><Bucket>b</Bucket><Key>k</Key>"
        b"<ETag>&quot;d41d8cd98f00b204e9800998ecf8427e-2&quot;</ETag><ChecksumSHA1>x-2</ChecksumSHA1>"
        b"<ChecksumType>COMPOSITE</ChecksumType>")


def test_a_copied_part() -> None:
    plain = b"<LastModified>" + ISO + b"</LastModified><ETag>" + QUOTED + b"</ETag>"
    assert copy_part_result(CopyResult(MD5, TIME)) == document(b"CopyPartResult", plain)
    summed = CopyResult(MD5, TIME, (("SHA1", "x"),))
    assert copy_part_result(summed) == document(
        b"CopyPartResult", plain + b"<ChecksumSHA1>x</ChecksumSHA1>")


def test_parts() -> None:
    page = PartsPage(
        "b", b"k&", "u", OWNER, 1, 2, 1, True, [PartRow(2, TIME, MD5, 5, (("CRC32", "c"),))], "CRC32",
        "COMPOSITE",
    )
    assert list_parts_result(page) == document(
        b"ListPartsResult",
        b"<Bucket>b</Bucket><Key>k&amp;</Key><UploadId>u</UploadId><PartNumberMarker>1</PartNumberMarker>"
        b"<NextPartNumberMarker>2</NextPartNumberMarker><MaxParts>1</MaxParts>"
        b"<IsTruncated>true</IsTruncated><Part><PartNumber>2</PartNumber><LastModified>" + ISO
        + b"</LastModified><ETag>" + QUOTED + b"</ETag><Size>5</Size><ChecksumCRC32>c</ChecksumCRC32></Part>"
        + WHO + b"<StorageClass>STANDARD</StorageClass><ChecksumAlgorithm>CRC32</ChecksumAlgorithm>"
        b"<ChecksumType>COMPOSITE</ChecksumType>")
    assert list_parts_result(PartsPage("b", b"k", "u", OWNER, 0, 0, 0, False, ())) == document(
        b"ListPartsResult",
        b"<Bucket>b</Bucket><Key>k</Key><UploadId>u</UploadId><PartNumberMarker>0</PartNumberMarker>"
        b"<NextPartNumberMarker>0</NextPartNumberMarker><MaxParts>0</MaxParts>"
        b"<IsTruncated>false</IsTruncated>" + WHO + b"<StorageClass>STANDARD</StorageClass>")


def test_uploads() -> None:
    row = UploadRow(b"a b", "u2", TIME, OWNER, "SHA256", "COMPOSITE")
    page = UploadsPage("b", b"p ", b"/", b"a ", "u1", b"c /", "", 2, "url", True, [row], [b"c /"])
    upload = (
        b"<Upload><Key>%s</Key><UploadId>u2</UploadId>" + WHO + b"<StorageClass>STANDARD</StorageClass>"
        b"<Initiated>" + ISO + b"</Initiated><ChecksumAlgorithm>SHA256</ChecksumAlgorithm>"
        b"<ChecksumType>COMPOSITE</ChecksumType></Upload>"
    )
    assert list_multipart_uploads_result(page) == document(
        b"ListMultipartUploadsResult",
        b"<Bucket>b</Bucket><KeyMarker>a%20</KeyMarker><UploadIdMarker>u1</UploadIdMarker>"
        b"<NextKeyMarker>c%20/</NextKeyMarker><NextUploadIdMarker></NextUploadIdMarker>"
        b"<Delimiter>/</Delimiter><Prefix>p%20</Prefix><MaxUploads>2</MaxUploads>"
        b"<EncodingType>url</EncodingType><IsTruncated>true</IsTruncated>"
        + upload.replace(b"%s", b"a%20b") + b"<CommonPrefixes><Prefix>c%20/</Prefix></CommonPrefixes>")
    plain = replace(page, encoding_type=None, common_prefixes=(), truncated=False)
    assert upload.replace(b"%s", b"a b") in list_multipart_uploads_result(plain)
    empty = UploadsPage("b", b"", b"", b"", "", b"", "", 1000, None, False, (), ())
    assert list_multipart_uploads_result(empty) == document(
        b"ListMultipartUploadsResult",
        b"<Bucket>b</Bucket><KeyMarker></KeyMarker><UploadIdMarker></UploadIdMarker>"
        b"<NextKeyMarker></NextKeyMarker><NextUploadIdMarker></NextUploadIdMarker>"
        b"<MaxUploads>1000</MaxUploads><IsTruncated>false</IsTruncated>")
