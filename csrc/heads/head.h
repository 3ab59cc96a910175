// What turns encoder frames into labels: the heads of a model, by name.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace parrotlet {

/// What a head computes, and so which class it is of.
enum class HeadKind { ctc, transducer };

/// A head of a model. Every class has its kind as a constant, kKind. Its methods take a Context,
/// and may be called from several threads at once.
class Head {
  public:
    virtual ~Head() = default;

    virtual HeadKind kind() const = 0;

    /// Labels that the head tells apart: the vocabulary and, last, the blank.
    virtual int labels() const = 0;

    virtual size_t bytes() const = 0;  ///< of the weights, packed
};

/// The heads of a model, the default first; at most one of a kind.
class Heads {
  public:
    void add(std::string name, std::unique_ptr<Head> head) {
        heads_.push_back({std::move(name), std::move(head)});
    }

    /// Null if there is none of this name.
    const Head* find(std::string_view name) const {
        for (const Named& named : heads_)
            if (named.name == name) return named.head.get();
        return nullptr;
    }

    /// Of the weights of all heads, packed.
    size_t bytes() const {
        size_t total = 0;
        for (const Named& named : heads_) total += named.head->bytes();
        return total;
    }

    /// The head of a class; null if there is none.
    template <typename T>
    const T* of_kind() const {
        for (const Named& named : heads_)
            if (named.head->kind() == T::kKind) return static_cast<const T*>(named.head.get());
        return nullptr;
    }

  private:
    struct Named {
        std::string name;
        std::unique_ptr<Head> head;
    };

    std::vector<Named> heads_;
};

}  // namespace parrotlet
