"""The namespace as a tree of inodes: what the mount holds."""
