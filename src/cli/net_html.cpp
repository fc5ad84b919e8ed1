#include "cli/net_html.hpp"

#include "text.hpp"

namespace clconv::cli {
namespace {

std::string escaped(const std::string& text) {
  std::string result;
  for (const char c : text) {
    switch (c) {
      case '&': result += "&amp;"; break;
      case '<': result += "&lt;"; break;
      case '>': result += "&gt;"; break;
      case '"': result += "&quot;"; break;
      default: result += c;
    }
  }
  return result;
}

// JSON that may stand in a script element: without '<' it can neither end it nor open a comment.
std::string script_json(const nlohmann::json& value) {
  std::string result;
  for (const char c : value.dump(-1, ' ', true, nlohmann::json::error_handler_t::replace)) {
    if (c == '<') {
      result += "\\u003c";
    } else {
      result += c;
    }
  }
  return result;
}

}  // namespace

std::string html_of(const NetPage& page) {
  const std::string title = core::one_line(page.title);
  const nlohmann::json data = {{"title", title},
                               {"report", page.report},
                               {"profile", page.profile},
                               {"candidates", page.candidates}};
  const std::string text = kNetPage;
  const std::string title_mark = "@TITLE@", data_mark = "@DATA@";
  const std::size_t at = text.find(title_mark), from = text.find(data_mark);
  return text.substr(0, at) + escaped(title) +
         text.substr(at + title_mark.size(), from - at - title_mark.size()) + script_json(data) +
         text.substr(from + data_mark.size());
}

}  // namespace clconv::cli
