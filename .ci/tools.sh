# Shared by the scripts beside it.

say() { printf '\n== %s\n' "$*"; }

# apt_install PACKAGE...: one caller after the other.
apt_install() (
    say "installing $*"
    sudo=()
    [ "$(id -u)" = 0 ] || sudo=(sudo -n)
    flock 9
    "${sudo[@]}" apt-get update -q &&
        DEBIAN_FRONTEND=noninteractive "${sudo[@]}" apt-get install -q -y \
            --no-install-recommends "$@"
) 9>"${TMPDIR:-/tmp}/parrotlet-apt-$(id -u).lock"

# side_by_side LOGS NAME...: the exported functions of these names, two at a time in this order, each
# in a shell of its own. What one says goes to LOGS/NAME and is shown when it ends. `failed` gets the
# names of those that do not succeed.
side_by_side() {
    local logs=$1 name
    shift
    printf '%s\0' "$@" | xargs -0 -P 2 -I '{}' bash -c '
        status=0
        bash -euo pipefail -c "$2" >"$1/$2" 2>&1 || status=$?
        echo "-- $2 took $SECONDS s" >>"$1/$2"
        echo "$status" >"$1/$2.status"
        flock "$1" cat "$1/$2"' _ "$logs" '{}'
    for name; do
        [ "$(cat "$logs/$name.status")" = 0 ] || failed+=("$name")
    done
}

# debian_unpack ROOT ARCHITECTURE SUITE PACKAGE...: packages and what they need, unpacked into ROOT
# and not installed. An empty SUITE means the one of this machine. apt-get gets a state of its own,
# in which ARCHITECTURE is the only one and nothing is installed.
debian_unpack() {
    local root=$1 architecture=$2 suite=$3 apt=$1.apt package
    mkdir -p "$apt/state/lists/partial" "$apt/cache/archives/partial" "$root"
    touch "$apt/status"
    cat >"$apt/conf" <<CONF
APT::Architecture "$architecture";
APT::Architectures { "$architecture"; };
APT::Install-Recommends "false";
APT::Sandbox::User "root";
Acquire::Languages "none";
Dir::State "$apt/state";
Dir::State::status "$apt/status";
Dir::Cache "$apt/cache";
CONF
    if [ -n "$suite" ]; then
        local archive
        # The archive that this machine's own sources name.
        archive=$(apt-get indextargets --format '$(REPO_URI)' | grep -m1 '/debian/*$') || return
        echo "deb $archive $suite main" >"$apt/sources"
        cat >>"$apt/conf" <<CONF
Dir::Etc::sourcelist "$apt/sources";
Dir::Etc::sourceparts "-";
CONF
    fi
    APT_CONFIG=$apt/conf apt-get update -q &&
        APT_CONFIG=$apt/conf apt-get install -q -y --download-only "${@:4}" || return
    for package in "$apt"/cache/archives/*.deb; do
        dpkg-deb -x "$package" "$root" || return
    done
    rm -r "$apt"
}
