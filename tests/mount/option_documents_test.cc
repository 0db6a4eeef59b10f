// The text of the table of mount options, in the manual and in mount/README.md, between marker lines. When the table has
// changed, SILT_REWRITE_DOCUMENTS=1 mount_test --gtest_filter='OptionDocuments*' writes it anew.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "mount/option_table.h"
#include "program.h"

namespace silt::mount {
namespace {

// SILT_TEST_DATA is tests/mount/data.
const std::string kTop = std::filesystem::path(SILT_TEST_DATA).parent_path().parent_path().parent_path();

std::string Sentence(std::string text) {
  text[0] = static_cast<char>(std::toupper(static_cast<unsigned char>(text[0])));
  return text + ".";
}

// mdoc(7) wants each sentence to begin a line.
std::string OneSentenceALine(std::string text) {
  for (size_t at; (at = text.find(". ")) != std::string::npos;) text[at + 1] = '\n';
  return text;
}

std::string Mdoc(OptionKind kind) {
  std::string text = ".Bl -tag -width Ds\n";
  for (const MountOption& option : MountOptionTable()) {
    if (option.kind != kind) continue;
    text += fmt::format(".It Cm {}", option.name);
    if (!option.argument.empty()) text += fmt::format(" Ns = Ns Ar {}", option.argument);
    text += "\n" + Sentence(OptionHelp(option)) + "\n";
    if (!option.more.empty()) text += OneSentenceALine(std::string(option.more)) + "\n";
  }
  return text + ".El\n";
}

std::string Markdown() {
  std::string text = "| `-o` | default | |\n|---|---|---|\n";
  for (const MountOption& option : MountOptionTable()) {
    if (option.kind != OptionKind::kOwn || option.name == "defaults") continue;
    text += fmt::format("| `{}` | {} | {} |\n", OptionSyntax(option), option.default_value, option.help);
  }
  return text;
}

void Check(const std::string& path, const std::string& begin, const std::string& end, const std::string& wanted) {
  std::string text = ReadFile(path);
  size_t from = text.find(begin + "\n");
  ASSERT_NE(from, std::string::npos) << path << " has no line " << begin;
  from += begin.size() + 1;
  size_t to = text.find(end, from);
  ASSERT_NE(to, std::string::npos) << path << " has no line " << end;
  if (std::getenv("SILT_REWRITE_DOCUMENTS") != nullptr) {
    WriteFile(path, text.replace(from, to - from, wanted));
    return;
  }
  EXPECT_EQ(text.substr(from, to - from), wanted)
      << path << " differs from the table; SILT_REWRITE_DOCUMENTS=1 in the environment of this test rewrites it";
}

TEST(OptionDocumentsTest, TheManualHasTheTable) {
  const std::string manual = kTop + "/packaging/man/siltfs.5";
  Check(manual, ".\\\" own options, from mount/option_table.cc", ".\\\" end", Mdoc(OptionKind::kOwn));
  Check(manual, ".\\\" flags of mount(8), from mount/option_table.cc", ".\\\" end", Mdoc(OptionKind::kKernel));
  Check(manual, ".\\\" ignored options, from mount/option_table.cc", ".\\\" end", Mdoc(OptionKind::kIgnored));
}

TEST(OptionDocumentsTest, TheReadmeHasTheTable) {
  Check(kTop + "/mount/README.md", "<!-- from option_table.cc -->", "<!-- end -->", Markdown());
}

}  // namespace
}  // namespace silt::mount
