// Delta debugging: the smallest part of a failing list that still fails.
#pragma once

#include <algorithm>
#include <cstddef>
#include <functional>
#include <vector>

namespace silt::posix {

// Zeller and Hildebrandt's ddmin ("Simplifying and Isolating Failure-Inducing Input"), by complements alone: chunks are
// left out one after the other, the chunks get smaller, and at the end no single item can be left out. `fails` is asked
// about lists whose items keep their order. REQUIRES: fails(items).
template <class Item>
std::vector<Item> Shrink(std::vector<Item> items, const std::function<bool(const std::vector<Item>&)>& fails) {
  size_t chunk = std::max<size_t>(1, items.size() / 2);
  while (true) {
    bool smaller = false;
    for (size_t begin = 0; begin < items.size();) {
      const size_t end = std::min(items.size(), begin + chunk);
      std::vector<Item> rest(items.begin(), items.begin() + static_cast<ptrdiff_t>(begin));
      rest.insert(rest.end(), items.begin() + static_cast<ptrdiff_t>(end), items.end());
      if (fails(rest)) {
        items = std::move(rest);
        smaller = true;
      } else {
        begin = end;
      }
    }
    if (chunk > 1) {
      chunk = (chunk + 1) / 2;
    } else if (!smaller) {
      return items;
    }
  }
}

}  // namespace silt::posix
