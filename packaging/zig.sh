# A C++ compiler for other systems and older C libraries, for the scripts that source this. They set
# $tools, the bin folder of an environment with ziglang.

# zig_toolchain FOLDER TARGET SYSTEM PROCESSOR: writes a compiler for a target as zig names it
# (x86_64-linux-gnu.2.17), and FOLDER/toolchain.cmake, with which CMake uses it.
zig_toolchain() {
    local zig
    zig=$("$tools/python" -c 'import os, ziglang
print(os.path.join(os.path.dirname(ziglang.__file__), "zig"))') || return
    mkdir -p "$1"
    # zig has no -march for ARM: features are added to a processor. And it makes a C++ library for
    # each kind of program that it links, so CMake's checks are compiled and not linked.
    cat >"$1/c++" <<SH
#!/usr/bin/env bash
arguments=()
for argument; do
    case \$argument in
        -march=armv8-a) argument=-mcpu=generic ;;
        -march=armv8.2-a+*) argument=-mcpu=generic+v8_2a+\${argument#*+} ;;
        *CMakeCXXCompilerId.cpp) arguments+=(-c) ;;
    esac
    arguments+=("\$argument")
done
exec "$zig" c++ -target $2 "\${arguments[@]}"
SH
    printf '#!/bin/sh\nexec "%s" ar "$@"\n' "$zig" >"$1/ar"
    printf '#!/bin/sh\nexec "%s" ranlib "$@"\n' "$zig" >"$1/ranlib"
    chmod +x "$1/c++" "$1/ar" "$1/ranlib"
    cat >"$1/toolchain.cmake" <<CMAKE
set(CMAKE_SYSTEM_NAME $3)
set(CMAKE_SYSTEM_PROCESSOR $4)
set(CMAKE_CXX_COMPILER "$1/c++")
set(CMAKE_AR "$1/ar")
set(CMAKE_RANLIB "$1/ranlib")
set(CMAKE_TRY_COMPILE_TARGET_TYPE STATIC_LIBRARY)
CMAKE
}
