// What a run has measured, as one JSON document, and as tables. The document is all that tables and charts
// know.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace clconv::bench {

using Json = nlohmann::ordered_json;

// Of a result of the document: the contender, or null where it did not take part.
const Json* find_contender(const Json& result, const std::string& key);

// Adds to every result the better of those that a peer is the best of, to all contenders what follows from
// their times (GFLOP/s, share of peak, ratio to clconv's), and the summary over all results.
void complete(Json& document);

void print_report(const Json& document);

// Throws cli::FileFailure where no file could be written, before hours of measuring are lost.
void check_writable(const std::string& path);
// All or nothing. Throws cli::FileFailure.
void write_file(const std::string& path, const std::string& text);

}  // namespace clconv::bench
