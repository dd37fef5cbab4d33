"""Goal: a department's sheet becomes exactly the events meant, and a wrong row says what is wrong.

Method: small sheets typed here (CSV in several encodings, XLSX made in the test) run through the
shipped mappings; every event is decoded again from JSON; a table of wrong rows and wrong mappings
with the words the message must have.
"""

from __future__ import annotations

import datetime as dt
import gzip
from collections import Counter
from pathlib import Path

import msgspec
import openpyxl
import pytest

from models.events import ComplaintFiledEvent, Event, InspectionCompleted, PenaltyDecided
from streams.importer import (
    Converted,
    MappingError,
    SheetError,
    convert,
    load_mapping,
    parse_mapping,
    read_rows,
)
from streams.sheet import header_name
from streams.value_tables import TABLES

MAPS = Path(__file__).parents[2] / "config" / "maps"
DECODER = msgspec.json.Decoder(Event)

INSPECTIONS = """\
inspection_id,date,license_id,result,critical,serious,minor,violation_codes
1001,2013-01-09,77,Pass,0,0,0,
1002,2013-07-09,78,Pass w/ Conditions,1,1,2,3|29|30|70
1003,2013-07-10,77,Fail,0,1,0,15
"""
VISITS = """\
date,license_id,purpose,kind
2013-01-04,77,Short Form Complaint,complaint
2013-01-04,77,Canvass,canvass
2013-01-05,,Complaint,complaint
2013-01-06,78,Complaint-Fire,complaint
"""
LICENCES = """\
inspection_id,date,license_id,first_license_start,ward
1001,2013-01-09,77,2002-02-16,11
1002,2013-07-09,78,,
1003,2013-07-10,77,2002-02-16,12
"""
PENALTY_HEADERS = [
    "行政相对人名称",
    "统一社会信用代码",
    "行政处罚决定书文号",
    "处罚依据",
    "处罚类别",
    "罚款金额\n(万元)",
    "失信严重程度",
    "处罚决定日期",
    "履行期限",
]
PENALTY: list[object] = [
    "某餐饮有限公司",
    "91350100m000100Y43 ",
    "沙市监处罚〔2026〕12号",
    "《食品安全法》第三十四条；《广告法》第九条",
    "警告、没收违法所得、没收非法财物、罚款",
    1.1,
    "一般",
    dt.datetime(2026, 3, 2),
    "2026年3月17日",
]
MINIMAL = """
source = "dept/x"
id = "{no}"
type = "complaint.filed"
subject = { column = "code" }
time = { column = "date" }
[data]
item = { constant = "cq1-17" }
kind = { constant = "tip" }
category = { column = "cause" }
"""


def run(path: Path, name: str, skipped: Counter[str] | None = None) -> list[Converted]:
    mapping = load_mapping(MAPS / name)
    rows = read_rows(path, mapping.sheet, mapping.header_row)
    return list(convert(rows, mapping, skipped=skipped))


def events(found: list[Converted]) -> list[Event]:
    assert [c.error for c in found] == [None] * len(found)
    return [DECODER.decode(msgspec.json.encode(c.event)) for c in found]


def write(tmp_path: Path, text: str, name: str = "sheet.csv", encoding: str = "utf-8") -> Path:
    path = tmp_path / name
    data = text.encode(encoding)
    path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    return path


def workbook(tmp_path: Path, rows: list[list[object]]) -> Path:
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    path = tmp_path / "sheet.xlsx"
    book.save(path)
    return path


# ------------------------------------------------------------------------------- shipped mappings


def test_chicago_inspections(tmp_path: Path) -> None:
    first, second, third = events(
        run(write(tmp_path, INSPECTIONS, "i.csv.gz"), "chicago_inspections.toml")
    )
    assert isinstance(first, InspectionCompleted)
    assert (first.id, first.subject, first.source) == ("insp-1001", "77", "chicago/inspections")
    assert first.time.isoformat() == "2013-01-09T12:00:00-06:00"
    assert (first.data.result, first.data.findings) == ("pass", [])
    assert isinstance(second, InspectionCompleted)
    assert second.time.isoformat() == "2013-07-09T12:00:00-05:00"
    assert second.data.result == "fixed"
    assert [(f.code, f.severity) for f in second.data.findings] == [
        ("chi-3", "critical"),
        ("chi-29", "serious"),
        ("chi-30", "minor"),
        ("chi-70", "minor"),
    ]
    assert isinstance(third, InspectionCompleted)
    assert third.data.result == "fail"


def test_chicago_complaint_visits_only(tmp_path: Path) -> None:
    skipped: Counter[str] = Counter()
    found = run(write(tmp_path, VISITS), "chicago_visits.toml", skipped)
    assert [c.row for c in found] == [2, 5]
    assert skipped == {"skip_if": 2}
    first, second = events(found)
    assert isinstance(first, ComplaintFiledEvent)
    assert isinstance(second, ComplaintFiledEvent)
    assert first.id == "visit-2013-01-04-77-Short Form Complaint"
    assert (first.data.category, second.data.category) == ("food", "fire")


def test_chicago_licences_once_each(tmp_path: Path) -> None:
    skipped: Counter[str] = Counter()
    found = run(write(tmp_path, LICENCES), "chicago_licences.toml", skipped)
    assert [c.event and c.event["data"] for c in found] == [
        {
            "name": f"License {number}",
            "kind": "enterprise",
            "district": district,
            "industry": "H6210",
            "size": "unknown",
            "registered_on": day,
        }
        for number, district, day in [
            ("77", "ward11", "2002-02-16"),
            ("78", "unknown", "2013-07-09"),
        ]
    ]
    assert [e.time.isoformat() for e in events(found)] == [
        "2002-02-16T00:00:00-06:00",
        "2013-07-09T00:00:00-05:00",
    ]
    assert skipped == {"unique": 1}


def test_penalties_from_xlsx_with_chinese_headers(tmp_path: Path) -> None:
    empty: list[object] = [None] * len(PENALTY)
    bad = [*PENALTY[:4], "警告、警示", *PENALTY[5:]]
    found = run(workbook(tmp_path, [PENALTY_HEADERS, PENALTY, empty, bad]), "penalties_zh.toml")
    assert [c.row for c in found] == [2, 4]
    (event,) = events(found[:1])
    assert isinstance(event, PenaltyDecided)
    assert event.subject == "91350100M000100Y43"
    assert event.time.isoformat() == "2026-03-02T12:00:00+08:00"
    assert event.data.kinds == ["warning", "confiscation", "fine"]
    assert event.data.amount_cny == 11000
    assert event.data.class_ == "general"
    assert (event.data.decided_on, event.data.due_on) == (dt.date(2026, 3, 2), dt.date(2026, 3, 17))
    assert [(b.law, b.article) for b in event.data.basis] == [
        ("食品安全法", "第三十四条"),
        ("广告法", "第九条"),
    ]
    error = found[1].error
    assert error is not None
    assert (error.field, error.column, error.value) == ("data.kinds", "处罚类别", "警示")
    assert error.allowed.startswith("must be one of 警告, 通报批评, 罚款")
    assert error.message == f"data.kinds='警示' (column 处罚类别): {error.allowed}"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16"])
def test_complaints_in_every_encoding(tmp_path: Path, encoding: str) -> None:
    text = (
        "登记编号,登记时间,信息类型,被投诉举报单位,统一社会信用代码,问题类别,投诉举报人\r\n"
        '7,2026/3/2 9:31,举报,"某\r\n公司",９１350100M000100Y43,食品安全,\r\n'
        ",,,,,,\r\n"
        "8,2026/3/2 9:31,咨询,,,,\r\n"
        "9,2026-03-02,投诉,某公司,91350100M000100Y43,,张某\r\n"
    )
    found = run(write(tmp_path, text, encoding=encoding), "complaints_zh.toml")
    assert [c.row for c in found] == [2, 5]
    tip, complaint = events(found)
    assert isinstance(tip, ComplaintFiledEvent)
    assert isinstance(complaint, ComplaintFiledEvent)
    assert tip.time.isoformat() == "2026-03-02T09:31:00+08:00"
    assert (tip.subject, tip.data.kind, tip.data.category) == (
        "91350100M000100Y43",
        "tip",
        "食品安全",
    )
    assert tip.data.complainant is None
    assert (complaint.data.kind, complaint.data.category) == ("complaint", "其他")


def test_every_shipped_mapping_parses() -> None:
    names = sorted(MAPS.glob("*.toml"))
    assert len(names) >= 5
    for path in names:
        assert load_mapping(path).event_types(), path.name


def test_built_in_tables_are_in_the_form_cells_are_compared_in() -> None:
    for name, table in TABLES.items():
        assert [header_name(key) for key in table] == list(table), name


# ------------------------------------------------------------------------------------- wrong rows


@pytest.mark.parametrize(
    ("line", "field", "words"),
    [
        ("1,91350100M000100Y4A,2026-03-02,x", "subject", "GB 32100 check character must be '3'"),
        ("1,,2026-03-02,x", "subject", "must not be empty"),
        ("1,91350100M000100Y43,2 March,x", "time", "must be a date: YYYY-MM-DD"),
        ("1,91350100M000100Y43,2026-03-02,", "data.category", "must not be empty"),
        (",91350100M000100Y43,2026-03-02,x", "id", "must not be empty"),
        ("1,91350100M000100Y43,2026-03-02,x,y", "row", "no cells beyond the last header"),
        (f"1,91350100M000100Y43,2026-03-02,{'x' * 257}", "data.category", "length <= 256"),
    ],
)
def test_wrong_rows(tmp_path: Path, line: str, field: str, words: str) -> None:
    good = "2,91350100M000100Y43,2026-03-02,x"
    path = write(tmp_path, f"no,code,date,cause\n\n{line}\n{good}\n")
    wrong, right = convert(read_rows(path), parse_mapping(MINIMAL))
    assert wrong.error is not None
    assert (wrong.row, wrong.error.field, right.row) == (3, field, 4)
    assert words in wrong.error.allowed
    assert wrong.event is None and right.event is not None


def test_a_code_typed_as_a_number_is_refused_not_taken_for_another(tmp_path: Path) -> None:
    rows: list[list[object]] = [["no", "code", "date", "cause"], [1, 9.1110000600037e17, "", "x"]]
    (only,) = convert(read_rows(workbook(tmp_path, rows)), parse_mapping(MINIMAL))
    assert only.error is not None
    assert only.error.value.endswith("e+17")


def test_unique_is_not_used_up_by_a_wrong_row() -> None:
    mapping = parse_mapping('unique = ["no"]\n' + MINIMAL)
    row = {"no": "1", "code": "91350100M000100Y43", "date": "2026-03-02", "cause": "x"}
    found = list(convert([(2, {**row, "date": "?"}), (3, row), (4, row)], mapping))
    assert [(c.row, c.error is None) for c in found] == [(2, False), (3, True)]


def test_type_by_row_and_by_command() -> None:
    head = MINIMAL.replace(
        'type = "complaint.filed"',
        'type = { column = "what", table = { "新增" = "list.entered", "移出" = "list.exited" } }',
    ).split("[data]")[0]
    text = head + (
        "[data]\n"
        'list = { constant = "serious", when = [{ column = "what", in = ["新增"] }] }\n'
        'authority = { column = "who", when = [{ column = "what", in = ["新增"] }] }\n'
        'basis = { column = "who", when = [{ column = "what", matches = "^新" }] }\n'
        "[data.of]\n"
        'when = [{ column = "what", not_in = ["新增"] }]\n'
        'object.source = { constant = "dept/x" }\n'
        'object.id = { template = "e-{no}" }\n'
    )
    mapping = parse_mapping(text)
    row = {"no": "1", "code": "91350100M000100Y43", "date": "2026-03-02", "who": "市监局"}
    rows = [(2, {**row, "what": "新增"}), (3, {**row, "what": "移出"})]
    entered, exited = (c.event for c in convert(rows, mapping))
    assert entered is not None and exited is not None
    assert (entered["type"], exited["type"]) == ("list.entered", "list.exited")
    assert exited["data"] == {"of": {"source": "dept/x", "id": "e-1"}}
    skipped: Counter[str] = Counter()
    assert [c.row for c in convert(rows, mapping, "list.exited", skipped)] == [3]
    assert skipped == {"type": 1}


def test_row_hash_makes_a_stable_id() -> None:
    mapping = parse_mapping(MINIMAL.replace("{no}", "{_hash}-{_row}"))
    row = {"no": "1", "code": "91350100M000100Y43", "date": "2026-03-02", "cause": "x"}
    other = dict(reversed(row.items()))
    ids = [c.event and c.event["id"] for c in convert([(2, row), (2, other)], mapping)]
    assert ids[0] == ids[1]
    assert str(ids[0]).endswith("-2")


@pytest.mark.parametrize(
    ("cell", "expected"),
    [("１，２００．5", 1200.5), ("1,200", 1200.0), ("0", 0.0), ("1e3", 1000.0)],
)
def test_numbers_as_people_type_them(cell: str, expected: float) -> None:
    text = (
        'source = "d"\nid = "{no}"\ntype = "arrears.confirmed"\n'
        'subject = { column = "no", scheme = "opaque" }\ntime = { column = "date" }\n'
        '[data]\nkind = { constant = "sme" }\namount_cny = { column = "sum", as = "number" }\n'
    )
    row = {"no": "1", "date": "2026-03-02", "sum": cell}
    (only,) = convert([(2, row)], parse_mapping(text))
    assert only.event is not None
    assert only.event["data"] == {"kind": "sme", "amount_cny": expected}
    for bad in ("-1", "nan", "十万", "inf"):
        (only,) = convert([(2, {**row, "sum": bad})], parse_mapping(text))
        assert only.error is not None
        assert only.error.field == "data.amount_cny"


# --------------------------------------------------------------------- wrong mappings and sheets


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("source =", "sorce =", "sorce: unknown key; allowed: source, id, subject"),
        ('{ column = "code" }', '{ col = "code" }', "subject.col: unknown key; allowed: column"),
        ("category = {", "catgory = {", "data.catgory: unknown key; allowed: item, kind, category"),
        ('{ column = "cause" }', '{ colum = "x" }', "data.category.colum: unknown key; allowed"),
        ('{ column = "cause" }', "{ column = 3 }", "data.category.column: Expected"),
        ('{ column = "cause" }', "{ optional = true }", "data.category: must have exactly one of"),
        (
            '{ column = "cause" }',
            '{ column = "cause", table = "nope" }',
            "data.category: table='nope': must be one of result_zh",
        ),
        (
            '{ column = "cause" }',
            '{ column = "cause", extract = "(" }',
            "not a regular expression",
        ),
        (
            '{ column = "cause" }',
            '{ column = "cause", when = [{ column = "x", is = 1 }] }',
            "data.category.when[0].is: unknown key; allowed: column, in, not_in, empty, matches",
        ),
        ("complaint.filed", "complaint.file", "type='complaint.file': must be one of subject."),
        ('{ column = "date" }', '{ column = "date", zone = "Mars/Base" }', "zone='Mars/Base'"),
        ("source =", "source", "not TOML"),
    ],
)
def test_wrong_mappings_name_the_key_and_what_is_allowed(old: str, new: str, words: str) -> None:
    assert old in MINIMAL
    with pytest.raises(MappingError) as caught:
        parse_mapping(MINIMAL.replace(old, new))
    assert words in str(caught.value)


def test_mapping_must_fit_the_sheet_and_the_command() -> None:
    mapping = parse_mapping(MINIMAL)
    with pytest.raises(MappingError, match="column 'code': the sheet has no, date, cause"):
        list(convert([(2, {"no": "1", "date": "", "cause": ""})], mapping))
    with pytest.raises(MappingError, match=r"this mapping makes complaint\.filed"):
        convert([], mapping, "list.entered")
    untyped = parse_mapping(MINIMAL.replace('type = "complaint.filed"', ""))
    with pytest.raises(MappingError, match="by --type"):
        convert([], untyped)
    with pytest.raises(MappingError, match=r"data\.item: unknown key; allowed: list"):
        convert([], untyped, "list.entered")
    assert list(convert([], untyped, "complaint.filed")) == []


def test_sheets_that_cannot_be_read(tmp_path: Path) -> None:
    for name, text, words in [
        ("a.xls", "x", "must be one of .csv"),
        ("a.xlsx", "x", "not an XLSX workbook"),
        ("a.csv", "no,no\n1,2\n", "header 'no' stands in columns A and B"),
        ("b.csv", "", "row 1 must hold the headers"),
    ]:
        with pytest.raises(SheetError, match=words):
            list(read_rows(write(tmp_path, text, name)))
    (tmp_path / "c.csv").write_bytes(b"no\n\xff\xff\xff\n")
    with pytest.raises(SheetError, match="must be UTF-8"):
        list(read_rows(tmp_path / "c.csv"))
    path = workbook(tmp_path, [["no"], [1]])
    with pytest.raises(SheetError, match="sheet='其他': must be one of Sheet"):
        list(read_rows(path, sheet="其他"))


def test_titles_above_the_header_tabs_and_semicolons(tmp_path: Path) -> None:
    titled = workbook(tmp_path, [["2026年处罚汇总"], [], ["no", "日 期"], [1, dt.date(2026, 3, 2)]])
    assert list(read_rows(titled, header_row=3)) == [(4, {"no": "1", "日期": "2026-03-02"})]
    for delimiter in "\t;":
        path = write(tmp_path, f"no{delimiter}a\n1{delimiter}x,y\n", "sheet.tsv")
        assert list(read_rows(path)) == [(2, {"no": "1", "a": "x,y"})]
