"""What the planner and the networks report: dictionaries that can be printed and shown in a notebook."""

from __future__ import annotations

import html
from typing import Any, Iterable, List, Sequence, Tuple

_TIERS = {"chosen": 0, "applicable": 1, "pruned": 2, "not_tried": 2}


def _time(us: Any) -> str:
    if not isinstance(us, (int, float)):
        return "-"
    for unit, scale in (("us", 1.0), ("ms", 1e3)):
        if us < 1e3 * scale:
            return f"{us / scale:.3g} {unit}"
    return f"{us / 1e6:.3g} s"


def _bytes(size: Any) -> str:
    if not isinstance(size, (int, float)):
        return "-"
    for unit, scale in (("B", 1), ("KiB", 1 << 10), ("MiB", 1 << 20)):
        if size < 1024 * scale:
            return f"{size / scale:.4g} {unit}"
    return f"{size / (1 << 30):.4g} GiB"


def _text_table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [list(heads), *map(list, rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(heads))]
    return "\n".join("  ".join(c.ljust(w) for c, w in zip(line, widths)).rstrip() for line in lines)


def _html_table(heads: Sequence[str], rows: Iterable[Sequence[str]], marked: int) -> str:
    def line(cells: Sequence[str], tag: str, style: str = "") -> str:
        return f"<tr{style}>" + "".join(f"<{tag}>{html.escape(c)}</{tag}>" for c in cells) + "</tr>"

    body = "".join(line(r, "td", ' style="font-weight:bold"' if i == marked else "") for i, r in enumerate(rows))
    return f"<table><thead>{line(heads, 'th')}</thead><tbody>{body}</tbody></table>"


class Report(dict):
    """Why a plan was chosen: every candidate, taken or not.

    A dictionary (docs/planner.md, "The report", has the fields). ``str(report)`` is a table, and a notebook shows one.
    """

    _heads = ("strategy", "config", "predicted", "measured", "workspace", "weights", "status")

    def _rows(self) -> List[Tuple[str, ...]]:
        def rank(candidate: dict) -> Tuple[int, float]:
            measured = candidate.get("measured")
            us = measured["median_us"] if measured else candidate.get("predicted_us")
            return _TIERS.get(candidate["status"], 3), us if us is not None else float("inf")

        rows = []
        for c in sorted(self["candidates"], key=rank):
            reason = c.get("reason")
            rows.append(
                (
                    c["strategy"],
                    c.get("config") or (f"body={c['body']}" if c.get("body") else "-"),
                    _time(c.get("predicted_us")),
                    _time((c.get("measured") or {}).get("median_us")),
                    _bytes(c.get("workspace_bytes")),
                    _bytes(c.get("prepared_weights_bytes")),
                    c["status"] + (": " + reason["text"] if reason else ""),
                )
            )
        return rows

    @property
    def _title(self) -> str:
        chosen = self.get("chosen")
        words = [self["problem"], self["direction"]]
        words += [name for name in ("bias", "residual", "mask", "accumulate") if self.get(name)]
        if self.get("activation") not in (None, "none"):
            words.append(self["activation"])
        if self.get("storage"):
            words.append(self["storage"])
        result = (
            f"{chosen['strategy']} ({chosen['config'] or '-'})" if chosen else f"nothing: {self.get('why_nothing')}"
        )
        return f"{' '.join(words)} on {self['device']}: {result}"

    def __str__(self) -> str:
        notes = "".join(f"\nnote: {note}" for note in self.get("notes", ()))
        return f"{self._title}\n{_text_table(self._heads, self._rows())}{notes}"

    def _repr_html_(self) -> str:
        return f"<p>{html.escape(self._title)}</p>" + _html_table(
            self._heads, self._rows(), 0 if self["chosen"] else -1
        )


class NetworkReport(dict):
    """What a network is, layer by layer.

    A dictionary (docs/networks.md, "The report", has the fields). ``str(report)`` is a table, and a notebook shows one.
    """

    _heads = ("layer", "operator", "output", "strategy", "predicted", "measured")

    def _rows(self) -> List[Tuple[str, ...]]:
        rows = []
        for layer in self["layers"]:
            strategies = [s["strategy"] for s in layer.get("steps", ()) if s.get("strategy")]
            rows.append(
                (
                    layer["name"],
                    layer["op"],
                    "x".join(map(str, layer.get("output_shape", ()))),
                    ", ".join(strategies) or "-",
                    _time(layer.get("predicted_us")),
                    _time(layer.get("measured_us")),
                )
            )
        return rows

    @property
    def _title(self) -> str:
        totals = self.get("totals", {})
        return (
            f"{len(self['layers'])} layers on {self['device']}: predicted {_time(totals.get('predicted_us'))}, "
            f"measured {_time(totals.get('measured_us'))}"
        )

    def __str__(self) -> str:
        return f"{self._title}\n{_text_table(self._heads, self._rows())}"

    def _repr_html_(self) -> str:
        return f"<p>{html.escape(self._title)}</p>" + _html_table(self._heads, self._rows(), -1)
