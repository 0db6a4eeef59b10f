// POSIX ACLs (POSIX.1e draft 17 as Linux has it, acl(5)): an xattr's value taken apart, and how it goes with a mode.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace silt::fs {

inline constexpr std::string_view kAccessAclName = "system.posix_acl_access";
inline constexpr std::string_view kDefaultAclName = "system.posix_acl_default";

inline bool IsAclName(std::string_view name) {
  return name == kAccessAclName || name == kDefaultAclName;
}

// Always a valid one: one entry each for the owner, the group and others; a mask if anybody is named.
class Acl {
 public:
  static constexpr size_t kMaxValueBytes = 4096;  // the kernel's FUSE asks for no more

  // The coding of Linux's posix_acl_xattr.h; nullopt for what is none or what acl(5) does not allow.
  static std::optional<Acl> Decode(std::string_view value);
  std::string Encode() const;

  // Says more than nine permission bits can: it names somebody, or has a mask.
  bool IsExtended() const;
  // The nine bits of a file with this access ACL. The middle three are the mask where there is one.
  uint32_t PermissionBits() const;
  void SetPermissionBits(uint32_t mode);
  // Makes a directory's default ACL the access ACL of a new object that is created with `mode`: neither gives more than
  // the other allows. Returns the object's mode.
  uint32_t Inherit(uint32_t mode);

 private:
  enum class Tag : uint16_t {
    kOwner = 0x01,
    kUser = 0x02,
    kGroup = 0x04,
    kNamedGroup = 0x08,
    kMask = 0x10,
    kOther = 0x20,
  };
  struct Entry {
    Tag tag;
    uint16_t permissions;
    uint32_t id;  // of named users and groups
  };

  bool IsValid() const;
  const Entry* Find(Tag tag) const;
  Entry* Find(Tag tag) { return const_cast<Entry*>(static_cast<const Acl*>(this)->Find(tag)); }
  // Holds the middle three of the permission bits.
  Tag GroupClass() const { return Find(Tag::kMask) != nullptr ? Tag::kMask : Tag::kGroup; }

  std::vector<Entry> entries_;
};

}  // namespace silt::fs
