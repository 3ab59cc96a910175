// Sequences that share their beginnings, as a tree of which only what is needed stays.
#pragma once

#include <utility>
#include <vector>

namespace parrotlet {

/// Every node stands for the sequence of values from the root to it. A node stays while somebody
/// holds it or a node below it.
template <typename Value>
class PrefixTree {
  public:
    static constexpr int kNone = -1;

    explicit PrefixTree(Value root) { nodes_.push_back({std::move(root)}); }

    int root() const { return root_; }
    int parent(int node) const { return nodes_[node].parent; }
    Value& operator[](int node) { return nodes_[node].value; }
    const Value& operator[](int node) const { return nodes_[node].value; }

    /// The number of a new node below `parent`. Numbers of nodes that are gone are used again.
    int add(int parent, Value value) {
        const Node node{std::move(value), parent, kNone, nodes_[parent].first_child, 0};
        int number = static_cast<int>(nodes_.size());
        if (unused_.empty()) {
            nodes_.push_back(node);
        } else {
            number = unused_.back();
            unused_.pop_back();
            nodes_[number] = node;
        }
        nodes_[parent].first_child = number;
        return number;
    }

    /// A node below `parent` whose value satisfies `is`, or kNone.
    template <typename Is>
    int find(int parent, Is is) const {
        int child = nodes_[parent].first_child;
        while (child != kNone && !is(nodes_[child].value)) child = nodes_[child].sibling;
        return child;
    }

    void hold(int node) { nodes_[node].holders++; }

    void release(int node) {
        nodes_[node].holders--;
        while (node != root_ && nodes_[node].holders == 0 && nodes_[node].first_child == kNone) {
            const int parent = nodes_[node].parent;
            unlink(node);
            unused_.push_back(node);
            node = parent;
        }
    }

    /// Whether all that is held begins with one more value, which is then the root's.
    bool advance_root() {
        const int child = nodes_[root_].first_child;
        if (nodes_[root_].holders > 0 || child == kNone || nodes_[child].sibling != kNone)
            return false;
        unused_.push_back(std::exchange(root_, child));
        nodes_[child].parent = kNone;
        return true;
    }

    /// The node below the root that the path to a node begins with.
    int first_on_path(int node) const {
        while (node != root_ && nodes_[node].parent != root_) node = nodes_[node].parent;
        return node;
    }

    /// The values after the root's, up to the node's.
    std::vector<Value> path(int node) const {
        std::vector<Value> values;
        for (; node != root_; node = nodes_[node].parent) values.push_back(nodes_[node].value);
        return {values.rbegin(), values.rend()};
    }

  private:
    struct Node {
        Value value;
        int parent = kNone, first_child = kNone, sibling = kNone;
        int holders = 0;
    };

    /// Takes a node from the list of its parent's.
    void unlink(int node) {
        int* link = &nodes_[nodes_[node].parent].first_child;
        while (*link != node) link = &nodes_[*link].sibling;
        *link = nodes_[node].sibling;
    }

    std::vector<Node> nodes_;
    std::vector<int> unused_;
    int root_ = 0;
};

}  // namespace parrotlet
