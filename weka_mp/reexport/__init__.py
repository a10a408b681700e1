"""NFS exports and SMB shares over the mount: what they are, and the configurations of their servers.

Pure but for `programs`, which looks for the servers on this machine. Running them is `supervise`'s.
"""
