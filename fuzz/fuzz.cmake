# Fuzzers for libFuzzer, with AddressSanitizer and UndefinedBehaviorSanitizer: -DPARROTLET_FUZZ=ON
# and clang. Included rather than a subdirectory, so that the flags of each source file hold.
if(NOT CMAKE_CXX_COMPILER_ID MATCHES "Clang")
  message(FATAL_ERROR "fuzzing needs clang: -DCMAKE_CXX_COMPILER=clang++")
endif()

get_target_property(RUNTIME_SOURCES parrotlet_runtime SOURCES)

# float-cast-overflow: a number of a file must not become an index by way of a cast.
set(SANITIZERS address,undefined,float-cast-overflow)
foreach(name arpa gguf model blocks)
  add_executable(fuzz_${name} EXCLUDE_FROM_ALL fuzz/${name}.cpp)
  target_link_libraries(fuzz_${name} PRIVATE fuzz_runtime)
  target_link_options(fuzz_${name} PRIVATE -fsanitize=fuzzer)
endforeach()

add_library(fuzz_runtime STATIC EXCLUDE_FROM_ALL ${RUNTIME_SOURCES} fuzz/gguf_bytes.cpp)
target_include_directories(fuzz_runtime PUBLIC csrc fuzz)
target_compile_options(fuzz_runtime PUBLIC -O2 -g -fno-omit-frame-pointer
  -fsanitize=fuzzer-no-link,${SANITIZERS} -fno-sanitize-recover=all)
target_link_options(fuzz_runtime PUBLIC -fsanitize=${SANITIZERS})
target_link_libraries(fuzz_runtime PUBLIC Threads::Threads)

# The extension itself, for fuzz/bindings.py, which runs with LD_PRELOAD=asan_with_fuzzer.so of
# atheris. That has no runtime for checks of virtual tables.
pybind11_add_module(fuzz_bindings MODULE EXCLUDE_FROM_ALL NO_EXTRAS ${BINDING_SOURCES})
set_target_properties(fuzz_bindings PROPERTIES OUTPUT_NAME _core)
target_link_libraries(fuzz_bindings PRIVATE fuzz_runtime)
target_compile_options(fuzz_runtime PUBLIC -fno-sanitize=vptr,function)
