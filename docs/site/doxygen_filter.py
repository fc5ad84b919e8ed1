#!/usr/bin/env python3
"""Doxygen's view of a public header: turns its plain comments into Doxygen's, line by line, on standard output.

The headers are written for readers: fields and values have a comment behind them, sections a line of dashes, and the
C++ wrapper leaves what a call does to the C function that it wraps. Here sections become groups, comments behind
declarations become theirs, and a wrapper without a comment points to its C function. What then has no description is
undocumented, and Doxygen says so.
"""

import re
import sys

SECTION = re.compile(r"/\* ---- (.+?) -+")
BEHIND = re.compile(r"^(\s*)([^\s/*#][^/]*?[;,]?)\s*/\* (.*?) ?\*/$")
BEHIND_OPEN = re.compile(r"^(\s+[^\s/*#][^/]*[;,]\s*)/\*(?!\*)")
INIT = re.compile(r"static inline void (\w+)_init\(")
HANDLE = re.compile(r"\s+(~\w+\(|(\w+)\((const )?\2&&? |\w+& operator=\()")
MEMBER = re.compile(r"(  )?(static |inline |explicit |template )*[A-Za-z_~][\w:<>,&* ]*\(")


def c_header(lines, stem):
    group = enum_of = None
    open_again = False
    for line in lines:
        section = SECTION.match(line)
        if section:
            close = "/** @} */ " if group else ""
            group = stem + "_" + re.sub(r"\W+", "_", section[1])
            line = f"{close}/** @defgroup {group} {stem}: {section[1]}\n@{{" + (" */" if line.endswith("*/") else "")
        elif line.startswith("#ifdef __cplusplus") and group:
            line, group = "/** @} */\n" + line, None
        elif line.startswith("/* ") and group:  # between declarations: of the section
            line, open_again = f"/** @}} */ /** @addtogroup {group}\n" + line[3:], True
        elif line.startswith("  /* "):
            line = line.replace("/*", "/**", 1)
        elif BEHIND.match(line):
            line = BEHIND.sub(r"\1/** \3 */ \2", line)
        elif BEHIND_OPEN.match(line):
            line = BEHIND_OPEN.sub(r"\1/**<", line)
        elif line.startswith("enum {"):
            line = f"/** Values of {enum_of}. */ " + line
        elif line == "  size_t struct_size;":
            line = "  /** sizeof of this struct as the caller was compiled; the _init function sets it. */" + line
        elif INIT.match(line):
            line = INIT.sub(r"/** As \1_defaults(), with the size of the struct. */ \g<0>", line)
        if open_again and line.endswith("*/"):
            line, open_again = line[:-2] + "\n@{ */", False
        found = re.match(r"typedef int32_t (\w+);", line)
        enum_of = found[1] if found else enum_of
        yield line


def declaration(lines, first):
    """The lines of the declaration that begins at `first`: to a `;` or a closing brace of its indentation."""
    indent = re.match(r"\s*", lines[first])[0]
    text = ""
    for line in lines[first:]:
        text += line
        if line.endswith(";") and text.count("(") == text.count(")") and "{" not in text:
            return text
        closes = line == lines[first] or line.startswith(indent + "}")
        if closes and text.count("{") and text.count("{") == text.count("}"):
            return text
    return text


def cpp_header(lines):
    last = ""
    for i, line in enumerate(lines):
        out = line
        if re.match(r"(  )?//", line):
            out = line.replace("//", "///", 1)
        elif HANDLE.match(line):
            out = "  /** Copies, moves or releases the handle. */" + line
        elif MEMBER.match(line) and not re.match(r"\s*//", last):
            wraps = re.search(r"\b(clconv_\w+)\(", declaration(lines, i))
            if wraps:
                out = f"  /** As {wraps[1]}(). */" + line
        if line.strip():
            last = line
        yield out


def verbatim(lines):
    """Formulas and lists that are set off in a comment, as they stand."""
    inside = False
    for line in lines:
        if bool(re.match(r" \*     +\S", line)) != inside:
            inside = not inside
            line = (" * @verbatim\n" if inside else " * @endverbatim\n") + line
        yield line


def main(path):
    with open(path, encoding="utf-8") as file:
        lines = file.read().split("\n")
    name = path.rsplit("/", 1)[-1]
    opening = "///" if name.endswith(".hpp") else "/**"
    lines[0] = re.sub(r"^(//|/\*)\s*", rf"{opening} \\file\n{opening if opening == '///' else ' *'} ", lines[0])
    out = cpp_header(lines) if name.endswith(".hpp") else verbatim(c_header(lines, name[:-2]))
    sys.stdout.write("\n".join(out))


if __name__ == "__main__":
    main(sys.argv[1])
