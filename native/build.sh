#!/bin/sh
# Builds libweka_mp_native, the one place that knows the compiler's flags.
#
#   native/build.sh library OUTPUT.so     the shared library that weka_mp/kernels.py loads
#   native/build.sh selftest OUTPUT       the C self-test
#   native/build.sh selftest-asan OUTPUT  the self-test under the address and undefined-behaviour sanitizers
#
# CC and CFLAGS are honoured. The output appears by rename, so a process that has the
# old library mapped keeps it whole. Status 3: there is no C compiler.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
kind=${1:?usage: build.sh library|selftest|selftest-asan OUTPUT}
output=${2:?usage: build.sh library|selftest|selftest-asan OUTPUT}
compiler=${CC:-cc}
warnings="-Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes -Werror=implicit"

command -v "${compiler%% *}" >/dev/null 2>&1 || {
    echo "native/build.sh: no C compiler ($compiler)" >&2
    exit 3
}

case $kind in
library) special="-O3 -fPIC -shared -fvisibility=hidden -Wl,-soname,libweka_mp_native.so -Wl,-z,relro,-z,now" ;;
selftest) special="-O2" ;;
selftest-asan) special="-O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer" ;;
*)
    echo "native/build.sh: unknown kind $kind" >&2
    exit 2
    ;;
esac

set -- "$here"/wk_*.c
[ "$kind" = library ] || set -- "$@" "$here/selftest.c"
mkdir -p "$(dirname "$output")"
temporary=$output.$$
trap 'rm -f "$temporary"' EXIT
# shellcheck disable=SC2086  # lists of words
$compiler -std=gnu11 $warnings $special ${CFLAGS:-} -I"$here" -o "$temporary" "$@" ${LDFLAGS:-}
mv -f "$temporary" "$output"
