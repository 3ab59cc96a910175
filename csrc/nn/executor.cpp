#include "nn/executor.h"

#include "kernels/dispatch.h"

namespace parrotlet {

Executor::Executor(int threads) : kernels_(default_table()), pool_(threads) {}

void Executor::start_timing() const {
    times_.clear();
    timing_ = true;
}

const StageTimes& Executor::stop_timing() const {
    timing_ = false;
    return times_;
}

}  // namespace parrotlet
