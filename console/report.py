"""A credit report in words: the same sections for the page and for the PDF."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from console import i18n
from console.i18n import Lang
from console.service import Row
from console.view import Items, pick, points, when

NameOf = Callable[[object], str]


class Section(NamedTuple):
    """A table. `widths` are shares of the page's width, one a column; `note` stands below it."""

    title: str
    columns: list[str]
    widths: list[int]
    rows: list[list[str]]
    note: str = ""


class Sheet(NamedTuple):
    """A report in one language: what both renderings print, in that order."""

    title: str
    name: str
    scope: str
    meta: list[tuple[str, str]]
    """What a report is checked by: number, as-of, policy, digest."""
    identity: list[tuple[str, str]]
    grade: str
    score: str
    sections: list[Section]
    check: str


def sheet(report: Row, lang: Lang, items: Items) -> Sheet:
    """Lay a report of `Service.report` out in a language."""
    return _Writer(report, lang, items).whole()


class _Writer:
    def __init__(self, report: Row, lang: Lang, items: Items) -> None:
        self.report = report
        self.lang = lang
        self.t = partial(i18n.word, lang, "ui")
        self.w = partial(i18n.word, lang)
        self._items = items
        self.internal = report["scope"] == "internal"

    def item(self, id: object) -> str:
        return self._items.get(str(id), {}).get("item", str(id)) if id else "—"

    def whole(self) -> Sheet:
        r, t = self.report, self.t
        who = r["subject"]
        kind = t("report_internal" if self.internal else "report_title")
        meta = [(t("report_number"), r["number"]), (t("as_of"), when(r["as_of"], 19)),
                (t("report_policy"), r["policy"]), (t("report_weights"), r["weights"]),
                (t("report_digest"), r["digest"])]
        identity = [(t("code"), who["subject"]), (t("kind"), self.w("kind", who["kind"])),
                    (t("district"), who["district"]), (t("industry_of"), who["industry"]),
                    (t("size_of"), t(f"z_{who['size']}") if who["size"] else ""),
                    (t("registered_on"), who["registered_on"]),
                    (t("cancelled_on"), who["cancelled_on"]),
                    (t("former_codes"), " ".join(who["aliases"] or ()))]
        query = f"as_of={r['as_of']}" + ("&internal=1" if self.internal else "")
        return Sheet(
            kind, who["name"] or who["subject"],
            t("report_scope_internal" if self.internal else "report_scope"), meta,
            [(name, str(value)) for name, value in identity if value],
            self.w("grade", r["public"]["grade"]), f"{r['public']['credit_score']:.1f}",
            [s for s in self.sections() if s.rows or s.title == t("report_records")],
            f"{t('report_check_how')}: /subjects/{who['subject']}/report?{query}"
            f"&check={r['number']}")

    def sections(self) -> list[Section]:
        r, t = self.report, self.t
        out = [self.grades(), self.records("records", t("report_records"), t("shown_until")),
               self.lists(), self.commitments()]
        if self.internal:
            out += [self.risk(), self.records("signals", t("report_signals"), t("until_day")),
                    self.matters(), self.said("repairs"), self.said("objections")]
        left = r["records_left_off"]
        return [s._replace(note=f"{t('report_left_off')}: {left}")
                if left and s.title == t("report_records") else s for s in out]

    def grades(self) -> Section:
        t, rows = self.t, []
        for held in [{"item": None, "department": "", **self.report["public"]},
                     *self.report["grades"]]:
            name = self.item(held["item"]) if held["item"] else t("public_grade")
            rows.append([f"{held['department']} {name}".strip(), self.w("grade", held["grade"]),
                         f"{held['credit_score']:.1f}", held["since"] or "—",
                         f"{t('source_' + held['grade_source'])}\n{_ref(held['event'])}"])
        return Section(t("report_grades"), [f"{t('department')} · {t('item')}", t("grade"),
                                            t("credit_score"), t("since"), t("by_source")],
                       [40, 9, 11, 14, 26], rows)

    def records(self, name: str, title: str, until: str) -> Section:
        t = self.t
        rows = [[x["day"], f"{pick(self.lang, x)}\n{self.item(x['item'])}" if x["item"]
                 else pick(self.lang, x), points(x["points"]), _ref(x), x["until"] or "—",
                 self.states(x)] for x in self.report[name]]
        return Section(title, [t("date"), t("record"), t("points"), t("record_source"), until,
                               t("status")], [12, 32, 9, 21, 12, 14], rows)

    def states(self, row: Row) -> str:
        """What has become of a record."""
        t = self.t
        found = [f"{t('performed_on')} {row['performed_on']}"] if row.get("performed_on") else []
        if row.get("repair"):
            found.append(f"{t('repair_' + row['repair'])} {row['repair_on']}")
        if row.get("objection"):
            found.append(t("objection_" + row["objection"]))
        return "；".join(found) if self.lang == "zh" else "; ".join(found)

    def lists(self) -> Section:
        t = self.t
        rows = [[x["since"], self.w("list", x["list"]), x["until"] or "—", _ref(x["event"])]
                for x in self.report["lists"]]
        return Section(t("report_lists"), [t("since"), t("lists"), t("until_day"),
                                           t("record_source")], [14, 40, 14, 32], rows)

    def commitments(self) -> Section:
        t, c = self.t, self.report["commitments"]
        names = ("made", "fulfilled", "breached", "overdue", "open")
        rows = [[str(c[n]) for n in names]
                + ["—" if c["ratio"] is None else f"{c['ratio']:.0%}"]] if c["made"] else []
        return Section(t("commitments"), [t(f"c_{n}") for n in names] + [t("c_ratio")],
                       [17, 17, 17, 17, 16, 16], rows)

    def risk(self) -> Section:
        t = self.t
        rows = [[self.item(x["item"]), f"{x['risk_score']:.1f}", f"{x['risk_probability']:.1%}"]
                for x in self.report["risk"]]
        return Section(t("report_risk"), [t("item"), t("risk_score"), t("probability")],
                       [60, 20, 20], rows)

    def matters(self) -> Section:
        t = self.t
        rows = [[x["due"] + (f" {t('late')}" if x["late"] else ""), t("m_" + x["matter"]),
                 pick(self.lang, x), _ref(x)] for x in self.report["matters"]]
        return Section(t("matters"), [t("due"), t("matters"), t("record"), t("record_source")],
                       [20, 22, 28, 30], rows)

    def said(self, name: str) -> Section:
        t = self.t
        rows = [[x["day"], pick(self.lang, x), _ref(x),
                 f"{x['of']['day']} {pick(self.lang, x['of'])} {_ref(x['of'])}" if x["of"] else "—"]
                for x in self.report[name]]
        return Section(t("report_" + name), [t("date"), t("record"), t("record_source"),
                                             t("about")], [12, 24, 24, 40], rows)


def _ref(row: Row) -> str:
    """Source and id of an item; a review has an id only."""
    return " /\n".join(str(row[x]) for x in ("source", "id") if row.get(x))
