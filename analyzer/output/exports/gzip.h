#pragma once

#include <string>

namespace fdaudit::analyzer {

/// `bytes` compressed, in gzip's container. The same bytes give the same result.
std::string Gzip(const std::string& bytes);

}  // namespace fdaudit::analyzer
