"""Objects over S3: reading, listing, publishing, copying, deleting, renaming."""
