# Shared by the scripts beside it.

say() { printf '\n== %s\n' "$*"; }

# apt_install PACKAGE...
apt_install() {
    say "installing $*"
    local sudo=()
    [ "$(id -u)" = 0 ] || sudo=(sudo -n)
    "${sudo[@]}" apt-get update -q &&
        DEBIAN_FRONTEND=noninteractive "${sudo[@]}" apt-get install -q -y \
            --no-install-recommends "$@"
}
