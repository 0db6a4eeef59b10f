// A value that a read returned, without a copy where the engine could pin the bytes instead.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace silt::lsm {

// The view stays valid until the object is reset, reassigned or destroyed, whatever is written, compacted or evicted
// meanwhile. It may outlive iterators and snapshots, but not the Db. Movable; not thread-safe.
class PinnedValue {
 public:
  PinnedValue() = default;
  PinnedValue(PinnedValue&& other) noexcept { *this = std::move(other); }
  PinnedValue& operator=(PinnedValue&& other) noexcept {
    bool own = other.owns_copy_;
    copy_ = std::move(other.copy_);
    view_ = own ? std::string_view(copy_) : other.view_;
    owner_ = std::move(other.owner_);
    owns_copy_ = own;
    other.Reset();
    return *this;
  }

  std::string_view view() const { return view_; }
  size_t size() const { return view_.size(); }
  void Reset() {
    view_ = {};
    owner_.reset();
    copy_.clear();
    owns_copy_ = false;
  }

  // Engine side: `owner` keeps the bytes of `view` alive.
  void Pin(std::string_view view, std::shared_ptr<const void> owner) {
    owns_copy_ = false;
    view_ = view;
    owner_ = std::move(owner);
  }
  void Copy(std::string_view bytes) {
    copy_.assign(bytes);
    view_ = copy_;
    owner_.reset();
    owns_copy_ = true;
  }

 private:
  std::string_view view_;
  std::shared_ptr<const void> owner_;
  std::string copy_;
  bool owns_copy_ = false;
};

}  // namespace silt::lsm
