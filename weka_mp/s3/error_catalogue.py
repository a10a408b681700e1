"""code -> (HTTP status, default message): the general errors of the S3 API reference, in alphabetical order.

Messages that clients are known to show or match are worded as S3 words them.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

__all__ = ["CATALOGUE"]

CATALOGUE: Final[Mapping[str, tuple[int, str]]] = MappingProxyType({
    "AccessControlListNotSupported": (400, "The bucket does not allow ACLs"),
    "AccessDenied": (403, "Access Denied"),
    "AccessForbidden": (403, "CORSResponse: CORS is not enabled for this bucket."),
    "AccessPointAlreadyOwnedByYou": (409, "An access point with this name exists and is yours."),
    "AccountProblem": (
        403, "There is a problem with your account that prevents the operation from completing.",
    ),
    "AllAccessDisabled": (403, "All access to this resource has been disabled."),
    "AmbiguousGrantByEmailAddress": (400, "The e-mail address is associated with more than one account."),
    "AuthorizationHeaderMalformed": (400, "The authorization header that you provided is not valid."),
    "AuthorizationQueryParametersError": (400, "The authorization query parameters are not valid."),
    "BadDigest": (
        400, "The Content-MD5 or checksum value that you specified did not match what the server received.",
    ),
    "BadRequest": (400, "Bad Request"),
    "BucketAlreadyExists": (
        409,
        (
            "The requested bucket name is not available. The bucket namespace is shared by all users of "
            "the system. Please select a different name and try again."
        ),
    ),
    "BucketAlreadyOwnedByYou": (
        409, "Your previous request to create the named bucket succeeded and you already own it.",
    ),
    "BucketHasAccessPointsAttached": (400, "The bucket has access points attached and cannot be deleted."),
    "BucketNotEmpty": (409, "The bucket you tried to delete is not empty"),
    "ClientTokenConflict": (409, "A request with this client token and other parameters is already known."),
    "ConditionalRequestConflict": (
        409, "A conflicting operation occurred during the conditional request; retry the request.",
    ),
    "ConnectionClosedByRequester": (400, "The connection was closed before the request was complete."),
    "CredentialsNotSupported": (400, "This request does not support credentials."),
    "CrossLocationLoggingProhibited": (403, "Logs cannot be written to a bucket in another location."),
    "DeviceNotActiveError": (400, "The device is not currently active."),
    "EndpointNotFound": (400, "Direct requests to the correct endpoint."),
    "EntityTooLarge": (400, "Your proposed upload exceeds the maximum allowed size"),
    "EntityTooSmall": (400, "Your proposed upload is smaller than the minimum allowed size"),
    "ExpiredToken": (400, "The provided token has expired."),
    "IdempotencyParameterMismatch": (
        400,
        (
            "Parameters on this idempotent request are inconsistent with parameters used in previous "
            "request(s)."
        ),
    ),
    "IllegalLocationConstraintException": (
        400,
        (
            "The location constraint is incompatible for the region specific endpoint this request was "
            "sent to."
        ),
    ),
    "IllegalVersioningConfigurationException": (400, "The versioning configuration specified is not valid."),
    "IncompleteBody": (400, "The request body terminated unexpectedly"),
    "IncorrectEndpoint": (400, "The specified bucket exists in another region."),
    "IncorrectNumberOfFilesInPostRequest": (400, "POST requires exactly one file upload per request."),
    "InlineDataTooLarge": (400, "The inline data exceeds the maximum allowed size."),
    "InternalError": (500, "We encountered an internal error. Please try again."),
    "InvalidAccessKeyId": (403, "The AWS Access Key Id you provided does not exist in our records."),
    "InvalidAccessPoint": (400, "The specified access point name or account is not valid."),
    "InvalidAccessPointAliasError": (400, "The specified access point alias name is not valid."),
    "InvalidAddressingHeader": (400, "You must specify the Anonymous role."),
    "InvalidArgument": (400, "Invalid Argument"),
    "InvalidBucketAclWithObjectOwnership": (
        400, "Bucket cannot have ACLs set with ObjectOwnership's BucketOwnerEnforced setting",
    ),
    "InvalidBucketName": (400, "The specified bucket is not valid."),
    "InvalidBucketOwnerAWSAccountID": (
        400, "The value of the expected bucket owner parameter must be an account ID.",
    ),
    "InvalidBucketState": (409, "The request is not valid for the current state of the bucket."),
    "InvalidChunkSizeError": (400, "Only the last chunk is allowed to have a size less than 8192 bytes"),
    "InvalidDigest": (400, "The Content-MD5 or checksum value that you specified is not valid."),
    "InvalidEncryptionAlgorithmError": (400, "The encryption algorithm that you specified is not valid."),
    "InvalidHostHeader": (
        400, "The host headers provided in the request used the incorrect style addressing.",
    ),
    "InvalidHttpMethod": (400, "The request was made with an unexpected HTTP method."),
    "InvalidLocationConstraint": (400, "The specified location-constraint is not valid"),
    "InvalidObjectState": (403, "The operation is not valid for the current state of the object."),
    "InvalidPart": (
        400,
        (
            "One or more of the specified parts could not be found.  The part may not have been uploaded,"
            " or the specified entity tag may not match the part's entity tag."
        ),
    ),
    "InvalidPartNumber": (416, "The requested partnumber is not satisfiable"),
    "InvalidPartOrder": (
        400, "The list of parts was not in ascending order. Parts must be ordered by part number.",
    ),
    "InvalidPayer": (403, "All access to this object has been disabled."),
    "InvalidPolicyDocument": (
        400, "The content of the form does not meet the conditions in the policy document.",
    ),
    "InvalidRange": (416, "The requested range is not satisfiable"),
    "InvalidRedirectLocation": (
        400, "The website redirect location must have a prefix of 'http://' or 'https://' or '/'.",
    ),
    "InvalidRegion": (403, "The region in the request is not valid."),
    "InvalidRequest": (400, "Invalid Request"),
    "InvalidRetentionPeriod": (400, "The retention period specified is invalid."),
    "InvalidSecurity": (403, "The provided security credentials are not valid"),
    "InvalidSessionException": (400, "The session does not exist any more because it timed out or expired."),
    "InvalidSignature": (400, "The request signature that the server calculated does not match yours."),
    "InvalidSOAPRequest": (400, "The SOAP request body is not valid."),
    "InvalidStorageClass": (400, "The storage class you specified is not valid"),
    "InvalidTag": (400, "The tag provided was not a valid tag."),
    "InvalidTargetBucketForLogging": (400, "The target bucket for logging is not valid."),
    "InvalidToken": (400, "The provided token is malformed or otherwise invalid."),
    "InvalidURI": (400, "Couldn't parse the specified URI."),
    "InvalidWriteOffset": (400, "The write offset does not match the current size of the object."),
    "KeyTooLongError": (400, "Your key is too long"),
    "KMS.DisabledException": (400, "The specified KMS key is not enabled."),
    "KMS.InvalidKeyUsageException": (400, "The KMS key cannot be used for the requested operation."),
    "KMS.KMSInvalidStateException": (400, "The state of the KMS key is not valid for this request."),
    "KMS.NotFoundException": (400, "The specified KMS key does not exist."),
    "MalformedACLError": (
        400, "The XML you provided was not well-formed or did not validate against our published schema",
    ),
    "MalformedPolicy": (400, "Policy has invalid resource."),
    "MalformedPOSTRequest": (400, "The body of your POST request is not well-formed multipart/form-data."),
    "MalformedTrailerError": (
        400,
        (
            "The request contained trailing data that was not well-formed or did not conform to our "
            "published schema."
        ),
    ),
    "MalformedXML": (
        400, "The XML you provided was not well-formed or did not validate against our published schema",
    ),
    "MaxMessageLengthExceeded": (400, "Your request was too big."),
    "MaxPostPreDataLengthExceededError": (
        400, "Your POST request fields preceding the upload file were too large.",
    ),
    "MetadataTooLarge": (400, "Your metadata headers exceed the maximum allowed metadata size"),
    "MethodNotAllowed": (405, "The specified method is not allowed against this resource."),
    "MissingAttachment": (400, "A SOAP attachment was expected, but none was found."),
    "MissingAuthenticationToken": (403, "The request was not signed."),
    "MissingContentLength": (411, "You must provide the Content-Length HTTP header."),
    "MissingRequestBodyError": (400, "Request body is empty."),
    "MissingSecurityElement": (400, "The SOAP 1.1 request is missing a security element."),
    "MissingSecurityHeader": (400, "Your request was missing a required header"),
    "NoLoggingStatusForKey": (400, "There is no such thing as a logging status sub-resource for a key."),
    "NoSuchAccessPoint": (404, "The specified access point does not exist."),
    "NoSuchBucket": (404, "The specified bucket does not exist"),
    "NoSuchBucketPolicy": (404, "The bucket policy does not exist"),
    "NoSuchConfiguration": (404, "The specified configuration does not exist."),
    "NoSuchCORSConfiguration": (404, "The CORS configuration does not exist"),
    "NoSuchKey": (404, "The specified key does not exist."),
    "NoSuchLifecycleConfiguration": (404, "The lifecycle configuration does not exist"),
    "NoSuchObjectLockConfiguration": (404, "The specified object does not have a ObjectLock configuration"),
    "NoSuchPublicAccessBlockConfiguration": (404, "The public access block configuration was not found"),
    "NoSuchTagSet": (404, "The TagSet does not exist"),
    "NoSuchUpload": (
        404,
        (
            "The specified upload does not exist. The upload ID may be invalid, or the upload may have "
            "been aborted or completed."
        ),
    ),
    "NoSuchVersion": (404, "The specified version does not exist."),
    "NoSuchWebsiteConfiguration": (404, "The specified bucket does not have a website configuration"),
    "NotAcceptable": (406, "Not Acceptable"),
    "NotImplemented": (501, "A header you provided implies functionality that is not implemented"),
    "NotModified": (304, "Not Modified"),
    "NotSignedUp": (403, "Your account is not signed up for the S3 service."),
    "ObjectLockConfigurationNotFoundError": (404, "Object Lock configuration does not exist for this bucket"),
    "OperationAborted": (
        409,
        (
            "A conflicting conditional operation is currently in progress against this resource. Please "
            "try again."
        ),
    ),
    "OwnershipControlsNotFoundError": (404, "The bucket ownership controls were not found"),
    "PermanentRedirect": (
        301,
        (
            "The bucket you are attempting to access must be addressed using the specified endpoint. "
            "Please send all future requests to this endpoint."
        ),
    ),
    "PermanentRedirectControlError": (
        301, "The API operation must be addressed using the specified endpoint.",
    ),
    "PostPolicyInvalidKeyName": (403, "Invalid according to Policy: Policy Condition failed"),
    "PreconditionFailed": (412, "At least one of the pre-conditions you specified did not hold"),
    "QuotaExceeded": (403, "The quota of the bucket is exhausted."),
    "Redirect": (307, "Please re-send this request to the specified temporary endpoint."),
    "ReplicationConfigurationNotFoundError": (404, "The replication configuration was not found"),
    "RequestExpired": (403, "Request has expired"),
    "RequestHeaderSectionTooLarge": (
        400, "Your request header section exceeds the maximum allowed request header section size.",
    ),
    "RequestIsNotMultiPartContent": (400, "Bucket POST must be of the enclosure-type multipart/form-data."),
    "RequestTimeout": (
        400,
        (
            "Your socket connection to the server was not read from or written to within the timeout "
            "period."
        ),
    ),
    "RequestTimeTooSkewed": (
        403, "The difference between the request time and the current time is too large.",
    ),
    "RequestTorrentOfBucketError": (400, "Requesting the torrent file of a bucket is not permitted."),
    "ResponseInterrupted": (400, "The response was interrupted."),
    "RestoreAlreadyInProgress": (409, "Object restore is already in progress"),
    "ServerSideEncryptionConfigurationNotFoundError": (
        404, "The server side encryption configuration was not found",
    ),
    "ServiceUnavailable": (503, "Service is unable to handle request."),
    "SignatureDoesNotMatch": (
        403,
        (
            "The request signature we calculated does not match the signature you provided. Check your "
            "key and signing method."
        ),
    ),
    "SlowDown": (503, "Please reduce your request rate."),
    "StorageFull": (507, "The storage is full."),
    "TagPolicyException": (400, "The tag policy does not allow the specified value for the tag key."),
    "TemporaryRedirect": (307, "You are being redirected to the bucket while DNS updates."),
    "TokenCodeInvalidError": (400, "The serial number or token code you provided is not valid."),
    "TokenRefreshRequired": (400, "The provided token must be refreshed."),
    "TooManyAccessPoints": (400, "You have attempted to create more access points than are allowed."),
    "TooManyBuckets": (400, "You have attempted to create more buckets than allowed"),
    "TooManyParts": (400, "You have attempted to upload more parts than are allowed"),
    "TruncatedBody": (400, "The request body was truncated."),
    "UnauthorizedAccess": (403, "The request is not authorized."),
    "UnauthorizedAccessError": (403, "The request is not authorized in this region."),
    "UnexpectedContent": (400, "This request does not support content"),
    "UnexpectedIPError": (403, "This request was rejected because the IP was unexpected."),
    "UnresolvableGrantByEmailAddress": (
        400, "The e-mail address you provided does not match any account on record.",
    ),
    "UnsupportedArgument": (400, "The request contained an unsupported argument."),
    "UnsupportedSignature": (400, "The provided request is signed with an unsupported signature version."),
    "UserKeyMustBeSpecified": (
        400,
        (
            "The bucket POST must contain the specified field name. If it is specified, check the order "
            "of the fields."
        ),
    ),
    "XAmzContentChecksumMismatch": (400, "The provided checksum header does not match what was computed."),
    "XAmzContentSHA256Mismatch": (
        400, "The provided 'x-amz-content-sha256' header does not match what was computed.",
    ),
})
