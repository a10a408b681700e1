"""code -> (HTTP status, default message): the errors of SelectObjectContent.

Source: "List of SELECT Object Content Error Codes" of the S3 API reference; those that are raised here.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

__all__ = ["SELECT_CATALOGUE"]

SELECT_CATALOGUE: Final[Mapping[str, tuple[int, str]]] = MappingProxyType({
    "Busy": (503, "The service is unavailable. Please retry."),
    "CastFailed": (400, "Attempt to convert from one data type to another using CAST failed."),
    "CSVParsingError": (400, "Encountered an error parsing the CSV file. Check the file and try again."),
    "EmptyRequestBody": (400, "Request body cannot be empty."),
    "ExpressionTooLong": (400, "The SQL expression is too long: the maximum byte-length is 256 KB."),
    "InvalidColumnIndex": (400, "The column index in the SQL expression is not valid."),
    "InvalidCompressionFormat": (400, "The file is not in a supported compression format."),
    "InvalidDataSource": (400, "Invalid data source type. Only CSV and JSON are supported."),
    "InvalidExpressionType": (400, "The ExpressionType is not valid. Only SQL expressions are supported."),
    "InvalidFileHeaderInfo": (
        400, "The FileHeaderInfo is not valid. Only NONE, USE, and IGNORE are supported."
    ),
    "InvalidJsonType": (400, "The JsonType is not valid. Only DOCUMENT and LINES are supported."),
    "InvalidQuoteFields": (400, "The QuoteFields is not valid. Only ALWAYS and ASNEEDED are supported."),
    "InvalidRequestParameter": (400, "The value of a parameter in the SelectRequest element is not valid."),
    "InvalidScanRange": (400, "The provided scan range is not valid."),
    "InvalidTableAlias": (400, "The SQL expression contains an invalid table alias."),
    "InvalidTextEncoding": (400, "Invalid encoding type. Only UTF-8 encoding is supported."),
    "JSONParsingError": (400, "Encountered an error parsing the JSON file. Check the file and try again."),
    "LexerInvalidChar": (400, "The SQL expression contains an invalid character."),
    "LexerInvalidLiteral": (400, "The SQL expression contains an invalid literal."),
    "MissingHeaders": (
        400, "Some headers in the query are missing from the file. Check the file and try again."
    ),
    "MissingRequiredParameter": (400, "The SelectRequest entity is missing a required parameter."),
    "OverMaxRecordSize": (400, "The length of a record in the input is greater than the maximum of 1 MB."),
    "ParseEmptySelect": (400, "The SQL expression contains an empty SELECT clause."),
    "ParseExpectedNumber": (400, "Did not find the expected number in the SQL expression."),
    "ParseExpectedTypeName": (400, "Did not find the expected type name in the SQL expression."),
    "ParseInvalidTypeParam": (400, "The SQL expression contains an invalid parameter value."),
    "ParseSelectMissingFrom": (400, "The SQL expression is missing a FROM clause."),
    "ParseUnexpectedToken": (400, "The SQL expression contains an unexpected token."),
    "ParseUnsupportedSyntax": (400, "The SQL expression contains unsupported syntax."),
    "TruncatedInput": (400, "Object decompression failed. Check that the object is properly compressed."),
    "UnsupportedFunction": (400, "Encountered an unsupported SQL function."),
    "UnsupportedScanRangeInput": (400, "The scan range is not supported for this type of input."),
    "UnsupportedSqlOperation": (400, "Encountered an unsupported SQL operation."),
    "UnsupportedSqlStructure": (400, "Encountered an unsupported SQL structure. Check the SQL Reference."),
})
