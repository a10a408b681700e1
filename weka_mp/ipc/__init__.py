"""The wire between the processes of a service: frames, peers, and the shared table of known inodes."""
