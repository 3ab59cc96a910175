#include "nn/packed_matrix.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <type_traits>

#include "kernels/dispatch.h"
#include "quant/half.h"
#include "quant/integer_block.h"

namespace parrotlet {

namespace {

constexpr size_t ceil_div(size_t a, size_t b) { return (a + b - 1) / b; }

/// Activations of this many bytes are multiplied with all panels of a task before the next ones
/// are touched: half of a small L2 cache.
constexpr size_t kBlockBytes = size_t{512} << 10;

/// Products below this many multiply-adds are not worth waking another thread.
constexpr double kSerialWork = 400e3;

/// Tasks per thread that packing and multiplying fall into: the more, the shorter the wait at the
/// end for the slowest.
constexpr size_t kPackTasks = 4, kProductTasks = 8;

/// Up to so many rows, reading the weights takes much of a product's time. Each thread reads them
/// in one long run first, of three quarters of what there is, and then in short ones.
constexpr int kFewRows = 64;
constexpr size_t kFewRowsTasks = 3;

/// Panels go in pairs, which is what the widest tiles and GLU take.
constexpr int kPairPanels = 2;

/// Calls visit with a value of the panel type that holds a quantised type's blocks.
template <typename Visitor>
auto visit_panel(TensorType type, Visitor visit) {
    switch (type) {
        case TensorType::q4_0:
        case TensorType::q4_k: return visit(std::type_identity<PanelQ4>());
        case TensorType::q5_k: return visit(std::type_identity<PanelQ5>());
        case TensorType::q6_k: return visit(std::type_identity<PanelQ6>());
        case TensorType::q8_0:
        case TensorType::f16:
        case TensorType::f32: break;
    }
    return visit(std::type_identity<PanelQ8_0>());
}

size_t panel_bytes(TensorType type, int k) {
    if (type == TensorType::f32) return sizeof(float) * kPanel * k;
    if (type == TensorType::f16) return sizeof(uint16_t) * kPanel * k;
    return visit_panel(type, [k]<typename Panel>(std::type_identity<Panel>) {
        return sizeof(Panel) * ceil_div(k, Panel::kDepth);
    });
}

/// The rows that become the columns of one panel; null where there are none.
using PanelRows = std::array<const std::byte*, kPanel>;

template <typename T>
void pack_values(const PanelRows& rows, int k, std::byte* panel) {
    auto* values = reinterpret_cast<T*>(panel);
    for (int i = 0; i < k; i++)
        for (int c = 0; c < kPanel; c++) {
            T& value = values[panel_offset(i, c)];
            value = T{};
            if (rows[c] != nullptr) std::memcpy(&value, rows[c] + i * sizeof(T), sizeof(T));
        }
}

/// Writes one block of one column; see QuantPanel.
template <typename Panel>
void pack_block(const IntegerBlock& block, int column, Panel& panel) {
    for (int s = 0; s < Panel::kScales; s++) {
        panel.scales[s][column] = float_to_half(block.scales[s]);
        if constexpr (Panel::kHasMin) panel.mins[s][column] = float_to_half(block.mins[s]);
    }
    constexpr int kStored = kBlock * Panel::kBits / 8;
    for (int i = 0; i < kStored; i += 4) {
        uint32_t quad;
        std::memcpy(&quad, block.quants + i, 4);
        if constexpr (Panel::kBits == 4) {
            uint32_t high;
            std::memcpy(&high, block.quants + kStored + i, 4);
            quad |= high << 4;
        }
        std::memcpy(panel.quants + quant_offset(i, column), &quad, 4);
    }
}

/// The other quantised types.
template <typename Panel>
void pack_blocks(TensorType type, const PanelRows& rows, int blocks, Panel* panel) {
    for (int b = 0; b < blocks; b++, panel++)
        for (int c = 0; c < kPanel; c++)
            pack_block(rows[c] != nullptr ? integer_block(type, rows[c], b) : IntegerBlock{}, c,
                       *panel);
}

void pack_panel(const KernelTable& kernels, TensorType type, const PanelRows& rows, int k,
                std::byte* panel) {
    if (type == TensorType::f32) return pack_values<float>(rows, k, panel);
    if (type == TensorType::f16) return pack_values<uint16_t>(rows, k, panel);
    visit_panel(type, [&]<typename Panel>(std::type_identity<Panel>) {
        auto* out = reinterpret_cast<Panel*>(panel);
        if constexpr (std::is_same_v<Panel, PanelQ8_0>)
            kernels.pack_q8_0(rows.data(), k / kBlock, out);
        else
            pack_blocks(type, rows, k / kBlock, out);
    });
}

void pack_group(const GemmKernel& gemm, const float* x, size_t stride, int rows, int k,
                std::byte* group) {
    gemm.pack_columns(x, stride, rows, 0, k, group);
    gemm.finish_group(k, group);
}

/// Calls body(group, row, rows) for the groups that m rows fall into, in `tasks` at most.
template <typename Body>
void for_groups(ThreadPool& pool, size_t tasks, int m, int rows_per_group, Body body) {
    const size_t groups = ceil_div(m, rows_per_group);
    tasks = std::min(groups, tasks);
    pool.parallel_for(tasks, [&](size_t task) {
        for (size_t g = groups * task / tasks; g < groups * (task + 1) / tasks; g++) {
            const int row = static_cast<int>(g) * rows_per_group;
            body(g, row, std::min(rows_per_group, m - row));
        }
    });
}

/// How the panels of a product, `units` of them, fall into tasks: the first ones are long, one for
/// each of `threads` threads.
struct Shares {
    size_t units, count, threads;
    bool long_first;

    size_t begin(size_t task) const {
        if (!long_first || count <= threads) return units * task / count;
        const size_t in_long = units * 3 / 4;
        if (task <= threads) return in_long * task / threads;
        return in_long + (units - in_long) * (task - threads) / (count - threads);
    }
};

/// Reads `count` rows of several matrices, taken as one, from row `first` on.
void read_across(std::span<const MatrixRows> matrices, size_t first, size_t count, size_t stride,
                 std::byte* out) {
    for (const MatrixRows& matrix : matrices) {
        if (count == 0) return;
        if (first >= matrix.rows) {
            first -= matrix.rows;
            continue;
        }
        const size_t here = std::min(count, matrix.rows - first);
        matrix.read(first, here, out);
        out += here * stride;
        count -= here;
        first = 0;
    }
}

}  // namespace

const GemmKernel& gemm_kernel(const KernelTable& kernels, TensorType type) {
    switch (type) {
        case TensorType::f16: return kernels.gemm_f16;
        case TensorType::q8_0: return kernels.gemm_q8_0;
        case TensorType::q6_k: return kernels.gemm_q6;
        case TensorType::q5_k: return kernels.gemm_q5;
        case TensorType::q4_k:
        case TensorType::q4_0: return kernels.gemm_q4;
        case TensorType::f32: break;
    }
    return kernels.gemm_f32;
}

size_t packed_bytes(TensorType type, int n, int k) { return panels_of(n) * panel_bytes(type, k); }

size_t panel_floats(int rows, int depth) {
    return panels_of(rows) * kPanel * static_cast<size_t>(depth);
}

void pack_panels(const float* x, size_t stride, int rows, int depth, float* out) {
    for (int first = 0; first < rows; first += kPanel, out += static_cast<size_t>(kPanel) * depth) {
        const int columns = std::min(kPanel, rows - first);
        for (int i = 0; i < depth; i++)
            for (int c = 0; c < kPanel; c++)
                out[panel_offset(i, c)] = c < columns ? x[(first + c) * stride + i] : 0.0f;
    }
}

PackedMatrix::PackedMatrix(std::span<const MatrixRows> matrices, Arrangement arrangement)
    : type_(matrices[0].type), arrangement_(arrangement), k_(static_cast<int>(matrices[0].length)) {
    size_t rows = 0;
    for (const MatrixRows& matrix : matrices) rows += matrix.rows;
    n_ = static_cast<int>(rows);
    if (!matrices[0].read) return;
    panels_ = Buffer<std::byte>(bytes());
    pack_weights(matrices);
}

void PackedMatrix::pack_weights(std::span<const MatrixRows> matrices) {
    const size_t size = panel_bytes(type_, k_), stride = row_bytes(type_, k_);
    const size_t parts = arrangement_ == Arrangement::glu ? 2 : 1, part_rows = n_ / parts;
    const size_t batch = std::max<size_t>(kReadBytes / stride / kPanel, 1) * kPanel;
    Buffer<std::byte> rows(std::min(batch, part_rows) * stride);
    const KernelTable& kernels = default_table();
    for (size_t first = 0; first < part_rows; first += batch) {
        const size_t count = std::min(batch, part_rows - first);
        for (size_t part = 0; part < parts; part++) {
            read_across(matrices, part * part_rows + first, count, stride, rows.data());
            for (size_t row = 0; row < count; row += kPanel) {
                PanelRows columns{};
                for (size_t c = 0; c < kPanel && row + c < count; c++)
                    columns[c] = rows.data() + (row + c) * stride;
                const size_t panel = (first + row) / kPanel * parts + part;
                pack_panel(kernels, type_, columns, k_, panels_.data() + panel * size);
            }
        }
    }
}

PackedMatrix::PackedMatrix(const float* values, int n, int k) : n_(n), k_(k) {
    panels_ = Buffer<std::byte>(panel_floats(n, k) * sizeof(float));
    pack_panels(values, k, n, k, reinterpret_cast<float*>(panels_.data()));
}

size_t PackedMatrix::bytes() const { return panels() * panel_bytes(type_, k_); }

int PackedMatrix::panels() const {
    if (arrangement_ == Arrangement::glu) return 2 * static_cast<int>(panels_of(n_ / 2));
    return static_cast<int>(panels_of(n_));
}

PackedRows PackedMatrix::allocate(const GemmKernel& gemm, Arena& arena, int m) const {
    const size_t bytes = gemm.group_bytes(k_);
    return {.groups = arena.allocate<std::byte>(ceil_div(m, gemm.rows_per_group) * bytes),
            .group_bytes = bytes,
            .m = m};
}

GemmArgs PackedMatrix::product(const PackedRows& x, const Epilogue& epilogue) const {
    const bool glu = arrangement_ == Arrangement::glu;
    return {.a = x.groups,
            .w = panels_.data(),
            .m = x.m,
            .n = glu ? n_ / 2 : n_,
            .k = k_,
            .panel_begin = 0,
            .panel_end = panels(),
            .epilogue = epilogue,
            .packed = {}};
}

size_t PackedMatrix::tasks(const Context& context, int m, size_t per_thread) const {
    const bool small = context.pool.size() == 1 || double(m) * n_ * k_ < kSerialWork;
    return small ? 1 : per_thread * context.pool.size();
}

void PackedMatrix::pack_into(Context& context, const float* x, size_t x_stride,
                             const PackedRows& packed) const {
    const GemmKernel& gemm = gemm_kernel(context.kernels, type_);
    for_groups(context.pool, tasks(context, packed.m, kPackTasks), packed.m, gemm.rows_per_group,
               [&](size_t group, int row, int rows) {
                   pack_group(gemm, x + row * x_stride, x_stride, rows, k_,
                              packed.groups + group * packed.group_bytes);
               });
}

PackedRows PackedMatrix::pack(Context& context, const float* x, size_t x_stride, int m) const {
    const PackedRows packed = allocate(gemm_kernel(context.kernels, type_), context.arena, m);
    pack_into(context, x, x_stride, packed);
    return packed;
}

PackedRows PackedMatrix::pack(Context& context, int m, const WriteRows& write) const {
    const GemmKernel& gemm = gemm_kernel(context.kernels, type_);
    const PackedRows packed = allocate(gemm, context.arena, m);
    for_groups(context.pool, tasks(context, m, kPackTasks), m, gemm.rows_per_group,
               [&](size_t group, int row, int rows) {
                   Arena& scratch = context.task_arena();
                   Arena::Scope scope(scratch);
                   auto* values = scratch.allocate<float>(static_cast<size_t>(rows) * k_);
                   write(row, rows, values);
                   pack_group(gemm, values, k_, rows, k_,
                              packed.groups + group * packed.group_bytes);
               });
    return packed;
}

void PackedMatrix::run(Context& context, const PackedRows& x, const GemmArgs& whole,
                       int unit) const {
    const GemmKernel& gemm = gemm_kernel(context.kernels, type_);
    const int group = gemm.rows_per_group;
    const size_t groups = ceil_div(x.m, group);
    const size_t units = ceil_div(panels(), unit);
    const bool few = x.m <= kFewRows;
    const size_t count = std::min(units, tasks(context, x.m, few ? kFewRowsTasks : kProductTasks));
    const Shares shares{units, count, static_cast<size_t>(context.pool.size()), few};
    const size_t block = std::max<size_t>(1, kBlockBytes / x.group_bytes);
    context.pool.parallel_for(count, [&](size_t task) {
        GemmArgs part = whole;
        part.panel_begin = static_cast<int>(unit * shares.begin(task));
        part.panel_end = std::min(panels(), static_cast<int>(unit * shares.begin(task + 1)));
        // Threads mostly take tasks in turns.
        const size_t later = task + shares.threads;
        const int after = later < count ? static_cast<int>(unit * shares.begin(later)) : -1;
        for (size_t g = 0; g < groups; g += block) {
            part.panel_after = g + block < groups ? part.panel_begin : after;
            const int row = static_cast<int>(g) * group;
            part.a = x.groups + g * x.group_bytes;
            part.m = std::min(x.m - row, static_cast<int>(block) * group);
            if (whole.c != nullptr) part.c = whole.c + row * whole.c_stride;
            if (whole.epilogue.residual != nullptr)
                part.epilogue.residual = whole.epilogue.residual + row * whole.c_stride;
            if (whole.packed.groups != nullptr)
                part.packed.groups = whole.packed.groups + g * whole.packed.group_bytes;
            gemm.multiply(part);
        }
    });
}

void PackedMatrix::multiply(Context& context, const PackedRows& x, float* y, size_t y_stride,
                            const Epilogue& epilogue) const {
    GemmArgs args = product(x, epilogue);
    args.c = y;
    args.c_stride = y_stride;
    run(context, x, args, kPairPanels);
}

PackedRows PackedMatrix::multiply(Context& context, const PackedRows& x, const PackedMatrix& next,
                                  const Epilogue& epilogue) const {
    const GemmKernel& next_gemm = gemm_kernel(context.kernels, next.type_);
    const PackedRows result = next.allocate(next_gemm, context.arena, x.m);
    const bool same_groups =
        gemm_kernel(context.kernels, type_).rows_per_group == next_gemm.rows_per_group;
    if (!same_groups || ceil_div(n_, kSpan) < size_t(context.pool.size())) {
        // One of the two is quantised and the other not, or the spans would leave threads idle.
        Arena::Scope scope(context.arena);
        auto* values = context.arena.allocate<float>(static_cast<size_t>(x.m) * n_);
        multiply(context, x, values, n_, epilogue);
        next.pack_into(context, values, n_, result);
        return result;
    }
    GemmArgs args = product(x, epilogue);
    args.packed = {.pack_columns = next_gemm.pack_columns,
                   .groups = result.groups,
                   .group_bytes = result.group_bytes};
    run(context, x, args, kSpan / kPanel);
    for (size_t g = 0; g < ceil_div(x.m, next_gemm.rows_per_group); g++)
        next_gemm.finish_group(next.k_, result.groups + g * result.group_bytes);
    return result;
}

void PackedMatrix::multiply(Context& context, const float* x, size_t x_stride, int m, float* y,
                            size_t y_stride, const Epilogue& epilogue) const {
    if (tasks(context, m, 1) == 1) {  // as each step of a decoder: no loop to set up
        multiply_serial(context.kernels, context.arena, x, x_stride, m, y, y_stride, epilogue);
        return;
    }
    Arena::Scope scope(context.arena);
    multiply(context, pack(context, x, x_stride, m), y, y_stride, epilogue);
}

void PackedMatrix::multiply_serial(const KernelTable& kernels, Arena& arena, const float* x,
                                   size_t x_stride, int m, float* y, size_t y_stride,
                                   const Epilogue& epilogue) const {
    const GemmKernel& gemm = gemm_kernel(kernels, type_);
    Arena::Scope scope(arena);
    const PackedRows packed = allocate(gemm, arena, m);
    std::byte* group = packed.groups;
    for (int row = 0; row < m; row += gemm.rows_per_group, group += packed.group_bytes)
        pack_group(gemm, x + row * x_stride, x_stride, std::min(gemm.rows_per_group, m - row), k_,
                   group);
    GemmArgs args = product(packed, epilogue);
    args.c = y;
    args.c_stride = y_stride;
    gemm.multiply(args);
}

}  // namespace parrotlet
