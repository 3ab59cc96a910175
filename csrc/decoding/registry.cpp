#include "decoding/registry.h"

#include "decoding/greedy_ctc.h"
#include "decoding/greedy_transducer.h"

namespace parrotlet {

std::unique_ptr<Search> make_search(Context& context, const Head& head,
                                    const SearchOptions& options) {
    const StageTimer timer(context.times, Stage::decoding);
    switch (head.kind()) {
        case HeadKind::ctc:
            return std::make_unique<GreedyCtc>(static_cast<const CtcHead&>(head), options.scorer);
        case HeadKind::transducer:
            return std::make_unique<GreedyTransducer>(context, static_cast<const Transducer&>(head),
                                                      options);
    }
    return nullptr;  // there is no other kind
}

}  // namespace parrotlet
