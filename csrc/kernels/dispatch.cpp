#include "kernels/dispatch.h"

#include <cstdlib>
#include <stdexcept>

#if defined(__x86_64__)
#include <cpuid.h>
#if defined(PARROTLET_AMX)
#include <sys/syscall.h>
#include <unistd.h>
#endif
#elif defined(__aarch64__) && defined(__linux__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#elif defined(__aarch64__) && defined(__APPLE__)
#include <sys/sysctl.h>
#endif

namespace parrotlet {

namespace {

#if defined(__x86_64__)
struct CpuId {
    unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
};

CpuId cpuid(unsigned leaf, unsigned subleaf = 0) {
    CpuId id;  // zeros where the processor has no such leaf
    __get_cpuid_count(leaf, subleaf, &id.eax, &id.ebx, &id.ecx, &id.edx);
    return id;
}

bool has_bits(unsigned value, unsigned bits) { return (value & bits) == bits; }

/// Whether the operating system saves these parts of the state, bits of XCR0. Asked of the
/// processor, not by __builtin_cpu_supports: not every compiler's library fills what that reads.
bool saves_state(unsigned bits) {
    constexpr unsigned kOsXsave = 1u << 27;
    if (!has_bits(cpuid(1).ecx, kOsXsave)) return false;
    unsigned low = 0, high = 0;
    asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return has_bits(low, bits);
}

bool has_avx2() {
    constexpr unsigned kFma = 1u << 12, kAvx = 1u << 28, kF16c = 1u << 29;  // leaf 1, ECX
    constexpr unsigned kAvx2 = 1u << 5;                                     // leaf 7, EBX
    constexpr unsigned kVectors = 0x6;                                      // XMM and YMM
    return saves_state(kVectors) && has_bits(cpuid(1).ecx, kFma | kAvx | kF16c) &&
           has_bits(cpuid(7).ebx, kAvx2);
}

bool has_avx512() {
    constexpr unsigned kF = 1u << 16, kDq = 1u << 17, kBw = 1u << 30,
                       kVl = 1u << 31;   // leaf 7, EBX
    constexpr unsigned kVectors = 0xe6;  // masks and ZMM, too
    return has_avx2() && saves_state(kVectors) && has_bits(cpuid(7).ebx, kF | kDq | kBw | kVl);
}

bool has_avx512_vnni() { return has_avx512() && has_bits(cpuid(7).ecx, 1u << 11); }

bool has_avx_vnni() {
#if defined(PARROTLET_EVEX_AVX_VNNI)
    return has_avx512_vnni();
#else
    // The state it needs from the operating system is AVX2's.
    return has_avx2() && has_bits(cpuid(7, 1).eax, 1u << 4);
#endif
}

#if defined(PARROTLET_AMX)
/// AMX, and the kernel lets this process use its registers. They are large, so Linux gives them to
/// those who ask; a thread's alternative signal stack that is too small for them is one reason to
/// refuse.
bool has_amx() {
    static const bool granted = [] {
        constexpr unsigned kTile = 1u << 24, kInt8 = 1u << 25;  // leaf 7, EDX
        if (!has_avx512_vnni() || !has_bits(cpuid(7).edx, kTile | kInt8)) return false;
        constexpr long kRequest = 0x1023, kTileData = 18;  // ARCH_REQ_XCOMP_PERM, XTILEDATA
        return syscall(SYS_arch_prctl, kRequest, kTileData) == 0;
    }();
    return granted;
}
#endif
#elif defined(__aarch64__) && defined(__linux__)
bool has_dotprod() { return (getauxval(AT_HWCAP) & HWCAP_ASIMDDP) != 0; }

bool has_i8mm() { return has_dotprod() && (getauxval(AT_HWCAP2) & HWCAP2_I8MM) != 0; }
#elif defined(__aarch64__) && defined(__APPLE__)
bool has_feature(const char* name) {
    int value = 0;
    size_t size = sizeof(value);
    return sysctlbyname(name, &value, &size, nullptr, 0) == 0 && value != 0;
}

bool has_dotprod() { return has_feature("hw.optional.arm.FEAT_DotProd"); }

bool has_i8mm() { return has_dotprod() && has_feature("hw.optional.arm.FEAT_I8MM"); }
#elif defined(__aarch64__)
bool has_dotprod() { return false; }

bool has_i8mm() { return false; }
#endif

std::vector<const KernelTable*> find_tables() {
    std::vector<const KernelTable*> tables{&scalar_kernels()};
#if defined(__x86_64__)
    if (has_avx2()) tables.push_back(&avx2_kernels());
    if (has_avx_vnni()) tables.push_back(&avx_vnni_kernels());
    if (has_avx512()) tables.push_back(&avx512_kernels());
    if (has_avx512_vnni()) tables.push_back(&avx512_vnni_kernels());
#if defined(PARROTLET_AMX)
    if (has_amx()) tables.push_back(&amx_kernels());
#endif
#elif defined(__aarch64__)
    tables.push_back(&neon_kernels());
    if (has_dotprod()) tables.push_back(&neon_dotprod_kernels());
    if (has_i8mm()) tables.push_back(&neon_i8mm_kernels());
#endif
    return tables;
}

}  // namespace

const std::vector<const KernelTable*>& available_tables() {
    // Under a hypervisor each question to the processor takes 20 us or more.
    static const std::vector<const KernelTable*> tables = find_tables();
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
    if (forced == nullptr || *forced == '\0') return *available_tables().back();
    try {
        return table_named(forced);
    } catch (const std::invalid_argument& error) {
        throw std::invalid_argument(std::string("PARROTLET_ISA: ") + error.what() +
                                    "; name one of these, or unset it");
    }
}

}  // namespace parrotlet
