# shellcheck shell=bash
# The one list of Debian packages that weka_mp needs, read by tools/setup and tools/fresh.
#
# Each line: package | a probe that succeeds where what it brings is there already (from
# wherever: a compiler need not be Debian's). $python is the interpreter in use, or empty.

run_packages() {
    cat <<'END'
python3|test -n "$python"
python3-venv|test -n "$python" && "$python" -c 'import ensurepip, venv'
python3-dev|test -n "$python" && test -e "$("$python" -c 'import sysconfig; print(sysconfig.get_path("include"))')/Python.h"
gcc|command -v cc
libc6-dev|echo '#include <stdio.h>' | cc -E -
pkg-config|command -v pkg-config
libfuse3-dev|pkg-config --exists fuse3
fuse3|command -v fusermount3
END
}

# What the tests run besides: clients of the mount and of the endpoint, and the tools they look with.
dev_packages() {
    cat <<'END'
attr|command -v getfattr && command -v setfattr
curl|command -v curl
default-jdk-headless|command -v javac
e2fsprogs|command -v mkfs.ext4
fish|command -v fish
fio|command -v fio
git|command -v git
haproxy|command -v haproxy || test -x /usr/sbin/haproxy
libnfs-utils|command -v nfs-ls
maven|command -v mvn
nfs-ganesha|command -v ganesha.nfsd
nfs-ganesha-vfs|ls /usr/lib/*/ganesha/libfsalvfs.so
nginx-light|command -v nginx || test -x /usr/sbin/nginx
restic|command -v restic
rsync|command -v rsync
s3fs|command -v s3fs
samba|command -v smbd || test -x /usr/sbin/smbd
shellcheck|command -v shellcheck
smbclient|command -v smbclient
sqlite3|command -v sqlite3
xfsprogs|command -v mkfs.xfs || test -x /usr/sbin/mkfs.xfs
zsh|command -v zsh
END
}
