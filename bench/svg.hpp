// SVG, as much as the charts here need: text and shapes on a card that is legible on any page, dark or light.
#pragma once

#include <cstdio>
#include <string>

namespace clconv::bench {

constexpr const char* kOurs = "#22aa77";
constexpr const char* kTheirs = "#9999aa";
constexpr const char* kInk = "#1f2328";
constexpr const char* kFaintInk = "#59636e";
constexpr const char* kGrid = "#e3e6ea";

class Svg {
 public:
  Svg(double width, double height) {
    text_ =
        "<svg xmlns=\"http://www.w3.org/2000/svg\" font-family=\"sans-serif\" font-size=\"12\" "
        "fill=\"" +
        std::string(kInk) + "\" width=\"" + number(width) + "\" height=\"" + number(height) +
        "\" viewBox=\"0 0 " + number(width) + " " + number(height) + "\">\n";
    rect(0.5, 0.5, width - 1, height - 1, "white", "rx=\"8\" stroke=\"#d0d7de\"");
  }

  // `attributes` are further ones, as text: `font-weight="bold"`.
  void text(double x, double y, const std::string& words, const std::string& attributes = "") {
    std::string escaped;
    for (const char c : words) {
      if (c == '<')
        escaped += "&lt;";
      else if (c == '&')
        escaped += "&amp;";
      else
        escaped += c;
    }
    element("text", {{"x", x}, {"y", y}}, attributes, escaped);
  }
  void rect(double x, double y, double width, double height, const std::string& fill,
            const std::string& attributes = "") {
    element("rect", {{"x", x}, {"y", y}, {"width", width}, {"height", height}},
            filled(fill, attributes));
  }
  void line(double x1, double y1, double x2, double y2, const std::string& stroke,
            const std::string& attributes = "") {
    element("line", {{"x1", x1}, {"y1", y1}, {"x2", x2}, {"y2", y2}},
            "stroke=\"" + stroke + "\" " + attributes);
  }
  void circle(double x, double y, double radius, const std::string& fill,
              const std::string& attributes = "") {
    element("circle", {{"cx", x}, {"cy", y}, {"r", radius}}, filled(fill, attributes));
  }

  std::string finished() const { return text_ + "</svg>\n"; }

 private:
  struct Attribute {
    const char* name;
    double value;
  };

  static std::string number(double value) {
    char buffer[32];
    std::snprintf(buffer, sizeof(buffer), "%.1f", value);
    std::string text = buffer;
    if (text.size() > 2 && text.compare(text.size() - 2, 2, ".0") == 0)
      text.resize(text.size() - 2);
    return text;
  }
  static std::string filled(const std::string& fill, const std::string& attributes) {
    return "fill=\"" + fill + "\" " + attributes;
  }
  void element(const char* name, std::initializer_list<Attribute> numbers,
               const std::string& attributes, const std::string& content = "") {
    text_ += std::string("<") + name;
    for (const Attribute& attribute : numbers)
      text_ += std::string(" ") + attribute.name + "=\"" + number(attribute.value) + "\"";
    if (!attributes.empty()) text_ += " " + attributes;
    while (text_.back() == ' ')
      text_.pop_back();
    text_ += content.empty() ? "/>\n" : ">" + content + "</" + name + ">\n";
  }

  std::string text_;
};

}  // namespace clconv::bench
