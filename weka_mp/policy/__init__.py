"""The policy language of AWS, as far as S3 needs it: a document and a question in, a decision out.

Pure: no I/O, no clock, no knowledge of who exists. `documents.parse` refuses what it does not understand,
`decision.decide` answers. docs/POLICIES.md lists what is supported.
"""
