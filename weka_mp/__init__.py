"""weka_mp: one directory of files, served as S3 objects and as a mounted file system."""

__version__ = "0.1.0"
