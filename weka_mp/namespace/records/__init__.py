"""What is kept beside an object's bytes: the record, where it lies, and which ETag is true."""
