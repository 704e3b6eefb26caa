#include "analyzer/trace/family.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <optional>
#include <set>
#include <string_view>
#include <utility>

#include "analyzer/trace/byte_source.h"
#include "analyzer/trace/trace_error.h"

namespace fdaudit::analyzer {
namespace {

constexpr char kSharedMemory[] = "/dev/shm";
constexpr std::string_view kPrefix = "fdaudit-";
constexpr std::string_view kSuffix = ".fdaudit";

std::string DirectoryOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == std::string::npos ? "." : path.substr(0, slash + 1);
}

/// Names in a directory; `error` is why it can't be read, 0 where it can.
std::vector<std::string> NamesIn(const std::string& directory, int* error) {
  std::vector<std::string> names;
  DIR* stream = opendir(directory.c_str());
  *error = stream == nullptr ? errno : 0;
  if (stream == nullptr) return names;
  while (const dirent* entry = readdir(stream)) names.emplace_back(entry->d_name);
  closedir(stream);
  return names;
}

/// The directories of users, fdaudit-UID; what `fdaudit run` makes for itself is named by letters too.
std::vector<std::string> UsersDirectories() {
  std::vector<std::string> found;
  int error = 0;
  for (const std::string& name : NamesIn(kSharedMemory, &error)) {
    if (name.rfind(kPrefix, 0) != 0 || name.size() == kPrefix.size()) continue;
    if (name.find_first_not_of("0123456789", kPrefix.size()) != std::string::npos) continue;
    const std::string path = std::string(kSharedMemory) + "/" + name;
    struct stat status = {};
    if (lstat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode)) found.push_back(path);
  }
  return found;
}

/// The family in a second file's name: what precedes the last '+', and the suffix. Empty: it names none.
std::string FamilyByName(const std::string& name) {
  const size_t plus = name.rfind('+');
  const bool fits = plus != std::string::npos && name.size() > kSuffix.size() &&
                    name.compare(name.size() - kSuffix.size(), kSuffix.size(), kSuffix) == 0;
  return fits ? name.substr(0, plus) + std::string(kSuffix) : "";
}

using FileIdentity = std::pair<dev_t, ino_t>;

/// Of a regular file; {0, 0} where it is none.
FileIdentity Identify(const std::string& path) {
  struct stat status = {};
  if (lstat(path.c_str(), &status) != 0 || !S_ISREG(status.st_mode)) return {0, 0};
  return {status.st_dev, status.st_ino};
}

/// The users whose files are taken.
class Trust {
 public:
  Trust() : users_{0, geteuid()} {}

  void Add(const TraceFile& file) {
    if (file.owner()) users_.insert(*file.owner());
    file.ForEach<trace::ImageRecord>(trace::RegionKind::kImages, [this](uint64_t, const trace::ImageRecord& image) {
      if (image.id != 0 && image.next_user != 0) users_.insert(image.next_user - 1);
    });
  }
  bool Has(std::optional<uint32_t> user) const { return user && users_.contains(*user); }

 private:
  std::set<uint32_t> users_;
};

struct Candidate {
  std::string path;
  std::unique_ptr<ByteSource> source;
};

/// Those that can be opened. Links are not followed: they would lead to where their maker may not read.
std::vector<Candidate> OpenAll(const std::vector<std::string>& paths, std::vector<std::string>* notes) {
  std::vector<Candidate> opened;
  for (const std::string& path : paths) {
    try {
      opened.push_back({path, OpenFile(path, O_NOFOLLOW)});
    } catch (const TraceError& error) {
      notes->push_back(std::string("a part of the session is missing: ") + error.what());
    }
  }
  return opened;
}

}  // namespace

std::string FamilyName(const TraceFile& file) {
  const auto& family = file.header().family;
  const std::string name(family, strnlen(family, sizeof family));
  return name.empty() ? file.file_name() : name;
}

Relatives FindRelatives(const std::vector<TraceFile>& files) {
  std::set<std::string> families, directories;
  std::set<FileIdentity> known = {{0, 0}};
  for (const TraceFile& file : files) {
    families.insert(FamilyName(file));
    directories.insert(DirectoryOf(file.name()));
    known.insert(Identify(file.name()));
  }
  for (const std::string& directory : UsersDirectories()) directories.insert(directory + "/");
  Relatives found;
  std::vector<std::string> paths;
  for (const std::string& directory : directories) {
    int error = 0;
    for (const std::string& name : NamesIn(directory, &error)) {
      const std::string path = directory == "." ? name : directory + name;
      if (families.count(FamilyByName(name)) == 0) continue;
      if (known.insert(Identify(path)).second) paths.push_back(path);
    }
    if (error == 0) continue;
    found.closed.push_back(directory.substr(0, directory.size() - 1) + ", which can't be read here (" +
                           strerror(error) + ")");
  }
  if (paths.empty()) return found;
  std::sort(paths.begin(), paths.end());
  Trust trust;
  for (const TraceFile& file : files) trust.Add(file);
  std::vector<Candidate> candidates = OpenAll(paths, &found.notes);
  const auto is_trusted = [&trust](const Candidate& one) { return trust.Has(one.source->Owner()); };
  for (auto next = candidates.begin();
       (next = std::find_if(candidates.begin(), candidates.end(), is_trusted)) != candidates.end();) {
    try {
      TraceFile file(std::move(next->source), next->path);
      if (families.count(FamilyName(file)) != 0) {
        trust.Add(file);
        found.files.push_back(std::move(file));
      }
    } catch (const TraceError& error) {
      found.notes.push_back(std::string("a part of the session is missing: ") + error.what());
    }
    candidates.erase(next);
  }
  if (!candidates.empty()) {
    found.notes.push_back(std::to_string(candidates.size()) + " trace files that name this session are left out, " +
                          candidates.front().path + " first: they belong to users as which none of its programs ran");
  }
  std::sort(found.files.begin(), found.files.end(),
            [](const TraceFile& a, const TraceFile& b) { return a.name() < b.name(); });
  return found;
}

}  // namespace fdaudit::analyzer
