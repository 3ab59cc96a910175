#include "runtime/cpu.h"

#include <cstdlib>
#include <stdexcept>

namespace parrotlet {

namespace {

#if defined(__x86_64__)
bool has_avx2() {
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
           __builtin_cpu_supports("f16c");
}

bool has_avx512() {
    return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
}

bool has_avx512_vnni() { return has_avx512() && __builtin_cpu_supports("avx512vnni"); }
#endif

}  // namespace

std::vector<const KernelTable*> available_tables() {
    std::vector<const KernelTable*> tables{&scalar_kernels()};
#if defined(__x86_64__)
    if (has_avx2()) tables.push_back(&avx2_kernels());
    if (has_avx512()) tables.push_back(&avx512_kernels());
    if (has_avx512_vnni()) tables.push_back(&avx512_vnni_kernels());
#endif
    return tables;
}

const KernelTable& table_named(const std::string& isa) {
    std::string names;
    for (const KernelTable* table : available_tables()) {
        if (isa == table->isa) return *table;
        names += std::string(names.empty() ? "" : ", ") + table->isa;
    }
    throw std::invalid_argument("instruction set '" + isa +
                                "' is not available here; this machine has " + names);
}

const KernelTable& default_table() {
    const char* forced = std::getenv("PARROTLET_ISA");
    if (forced != nullptr && *forced != '\0') return table_named(forced);
    return *available_tables().back();
}

}  // namespace parrotlet
