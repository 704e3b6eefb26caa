#include "analyzer/trace/family.h"

#include <dirent.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <set>
#include <string_view>
#include <utility>

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

}  // namespace

std::string FamilyName(const TraceFile& file) {
  const auto& family = file.header().family;
  const std::string name(family, strnlen(family, sizeof family));
  return name.empty() ? file.file_name() : name;
}

FamilySearch FindFamilies(const std::vector<TraceFile>& files) {
  std::set<std::string> families, directories;
  std::set<FileIdentity> known = {{0, 0}};
  for (const TraceFile& file : files) {
    families.insert(FamilyName(file));
    directories.insert(DirectoryOf(file.name()));
    known.insert(Identify(file.name()));
  }
  for (const std::string& directory : UsersDirectories()) directories.insert(directory + "/");
  FamilySearch search;
  for (const std::string& directory : directories) {
    int error = 0;
    for (const std::string& name : NamesIn(directory, &error)) {
      const std::string path = directory == "." ? name : directory + name;
      if (families.count(FamilyByName(name)) == 0) continue;
      if (known.insert(Identify(path)).second) search.files.push_back(path);
    }
    if (error == 0) continue;
    search.closed.push_back(directory.substr(0, directory.size() - 1) + ", which can't be read here (" +
                            strerror(error) + ")");
  }
  std::sort(search.files.begin(), search.files.end());
  return search;
}

}  // namespace fdaudit::analyzer
