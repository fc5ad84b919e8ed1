// The HTML report of `clconv net`: one file that needs nothing beside itself. The page is net_page.html, which draws
// the data that are put into it.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace clconv::cli {

// net_page.html, with @TITLE@ and @DATA@ to be filled in.
extern const char* const kNetPage;

struct NetPage {
  std::string title;
  nlohmann::json report;   // clconv_net_report()'s
  nlohmann::json profile;  // clconv_context_profile()'s: peak and bandwidth of the roofline
  nlohmann::json
      candidates;  // "direction problem": [{"strategy","config","predicted_us","measured_us"}]
};

// Valid UTF-8 whatever the names in it are; nothing in it is taken for markup.
std::string html_of(const NetPage& page);

}  // namespace clconv::cli
