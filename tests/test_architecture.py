"""Goal: the core stays pure, imports run one way, and modules stay small.

Method: every module is parsed, never imported; each check returns what is wrong as lines of text.
Each check is first shown to find a fault planted in a made-up source. An exception is allowed only
where it is listed here with its reason, and a reason that is no longer needed is an error too.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("models", "alerts", "storage", "config", "dispatch", "streams", "console")

CORE_ALONE = ("streams/pipeline.py", "streams/digest.py", "streams/repair.py",
              "streams/signals.py", "streams/merge.py", "streams/change.py",
              "streams/devices.py", "streams/inspections.py", "streams/links.py")
"""Core modules outside the packages that are core as a whole."""

MAY_IMPORT: dict[str, frozenset[str]] = {
    "models": frozenset({"models"}),
    "alerts": frozenset({"models", "alerts"}),
    "storage": frozenset({"models", "alerts", "storage"}),
    "config": frozenset({"models", "config"}),
    "dispatch": frozenset({"models", "alerts", "storage", "config", "dispatch"}),
    "streams": frozenset({"models", "alerts", "storage", "config", "dispatch", "streams"}),
    "console": frozenset({"models", "storage", "console"}),
}
"""models <- alerts <- storage <- streams; console reads and posts, and knows no runner."""

EXCEPTIONS: dict[tuple[str, str], str] = {
    ("streams/service.py", "console.service"): "implements the protocol that the console asks for",
    ("streams/cluster_service.py", "console.service"): "implements it too",
    ("streams/queries.py", "console.service"): "its reading half, for both",
    ("streams/drawing.py", "console.service"): "the part of it that draws, for both",
    ("streams/draws.py", "console.service"): "what an order is refused with",
    ("streams/run.py", "console"): "composition root: puts the console beside the runner",
    ("streams/cli_draw.py", "console.service"): "what an order is refused with",
    ("streams/cli_draw.py", "console.draws_csv"): "the list as the console hands it on",
    ("streams/cli_act.py", "console.acts"): "people's acts by command, on a store",
    ("streams/cli_act.py", "console.problems"): "what they are refused with",
    ("streams/answers.py", "console.answering"): "whom a signed link is for, in its terms",
    ("streams/cli_report.py", "console.report_file"): "the report on paper as on the page",
    ("streams/receipts.py", "console.service"): "answers in the console's terms",
    ("streams/cli_centre.py", "console.ranking_csv"): "the same file by command and by page",
    ("streams/tables.py", "console.i18n"): "the same words on paper and on pages",
    ("streams/review_tables.py", "console.i18n"): "the same",
    ("streams/draw_tables.py", "console.i18n"): "the same",
}
"""(importing file, imported module or package) -> why it may."""

CORE_LIBRARIES = frozenset({
    "__future__", "array", "bisect", "collections", "dataclasses", "datetime", "decimal", "enum",
    "fractions", "functools", "hashlib", "heapq", "itertools", "math", "operator", "struct", "sys",
    "typing", "msgspec", "numpy", "xxhash"})
"""All that the core may use: nothing in it reads a clock, a file, a socket or a random source."""

CORE_EXCEPTIONS: dict[tuple[str, str], str] = {
    ("models/bounded.py", "river"): "weights are learned by river's optimisers, by its conventions",
    ("models/learner.py", "river"): "makes the scorecards with one of river's optimisers",
    ("models/drift.py", "river"): "river's detectors of drift",
    ("models/challengers.py", "river"): "river's other classifiers, in shadow",
}
"""(core module, library beyond CORE_LIBRARIES) -> why it may."""

WORLD = frozenset({"time", "os", "io", "pathlib", "random", "secrets", "socket", "logging",
                   "sqlite3", "threading", "asyncio", "subprocess", "uuid", "tempfile", "locale"})

CALLS = frozenset({"open", "print", "input", "eval", "exec", "hash", "id", "breakpoint"})
"""Builtins that touch the world, or differ from one process to the next (`hash`, `id`)."""

CLOCKS = frozenset({"now", "today", "utcnow", "localtime"})

LINES_MAX = 300
LONG: dict[str, str] = {
    "models/events.py": "the contract: one struct a type, no behaviour",
    "models/iot.py": "state, join and judgement of one series share their grid",
    "models/iot_batch.py": "the array half of models/iot.py",
    "models/ledger.py": "one table from record types to what they count for",
    "models/policy.py": "one struct a section of policy.toml, no behaviour but one check",
    "alerts/rules.py": "one function a rule, none calls another",
    "streams/pipeline.py": "the step and its short cuts: apart, none of them can be judged",
}

BROAD: dict[str, str] = {
    "dispatch/dispatcher.py": "outermost frame of the sending thread: what escapes it is raised",
    "storage/sqlite_store.py": "rolls a transaction back, then raises again",
    "streams/cli.py": "outermost frame of a command: says what failed, exit code 1",
    "streams/intake_role.py": "outermost frame of a thread: what escapes it ends the process",
    "streams/keeper.py": "names the envelope that cannot be folded, then raises",
    "streams/dispatcher_role.py": "outermost frame of a thread: what escapes it ends the process",
    "streams/worker.py": "outermost frame of a task: what escapes it ends the process",
    "streams/run.py": "outermost frame of a thread: what escapes it stops the service",
    "streams/service.py": "a failed append ends the process: memory is ahead of the log",
}
"""Modules that may catch everything."""

ENVIRONMENT: dict[str, str] = {
    "config/load.py": "the variables of VARIABLES",
    "storage/checkpoint_files.py": "fsync, and the pid in the name of a file being written",
    "storage/sqlite_store.py": "XINFENG_PSEUDONYM_KEY, and random bytes for a key",
    "streams/cli.py": "XINFENG_TRACEBACK, secrets of channels; a pipe whose reader has gone",
    "streams/cli_cluster.py": "secrets of channels",
    "streams/cli_act.py": "XINFENG_TOKEN",
    "streams/service.py": "ends the process when an append has failed",
    "streams/intake_role.py": "ends the process when its work has failed",
    "streams/dispatcher_role.py": "ends the process when a thread has failed",
    "streams/worker.py": "ends the process when a partition has failed",
}
"""Modules that may import `os`; all others get what they need as arguments."""


def sources() -> dict[str, str]:
    """Path inside the repository -> text, of every module of the product."""
    return {path.relative_to(ROOT).as_posix(): path.read_text("utf-8")
            for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))}


def is_core(name: str) -> bool:
    return name.startswith(("models/", "alerts/")) or name in CORE_ALONE


def imports(text: str) -> Iterator[tuple[int, str]]:
    """(line, dotted name) of every import, also those inside functions; `from a import b` gives
    `a.b`, since b may be a module."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative import"
            for alias in node.names:
                yield node.lineno, f"{node.module}.{alias.name}"


# ------------------------------------------------------------------------------------- checks


def impure_imports(name: str, text: str) -> list[str]:
    if not is_core(name):
        return []
    out = []
    for line, module in imports(text):
        top = module.partition(".")[0]
        if (name, top) in CORE_EXCEPTIONS:
            continue
        if top in WORLD or (top not in CORE_LIBRARIES and top not in PACKAGES):
            out.append(f"{name}:{line}: the core may not import {top}")
    return out


def impure_calls(name: str, text: str) -> list[str]:
    """Clocks, files and randomness that need no import."""
    if not is_core(name):
        return []
    out = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Attribute) and node.attr == "random":
            out.append(f"{name}:{node.lineno}: the core may not use numpy's random source")
        if isinstance(node, ast.Attribute) and node.attr == "environ":
            out.append(f"{name}:{node.lineno}: the core may not read the environment")
        if not isinstance(node, ast.Call):
            continue
        match node.func:
            case ast.Name(id=called) if called in CALLS:
                out.append(f"{name}:{node.lineno}: the core may not call {called}()")
            case ast.Attribute(attr=called) if called in CLOCKS:
                out.append(f"{name}:{node.lineno}: the core may not call .{called}()")
            case ast.Attribute(attr="fromtimestamp") if len(node.args) + len(node.keywords) < 2:
                out.append(f"{name}:{node.lineno}: fromtimestamp() without a zone reads the clock "
                           "of this machine")
    return out


def wrong_way(name: str, text: str) -> list[str]:
    allowed = MAY_IMPORT[name.partition("/")[0]]
    out = []
    for line, module in imports(text):
        top = module.partition(".")[0]
        if top in PACKAGES and top not in allowed and not _excepted(name, module):
            out.append(f"{name}:{line}: may not import {module}")
    return out


def _excepted(name: str, module: str) -> bool:
    return any(file == name and (module == base or module.startswith(base + "."))
               for file, base in EXCEPTIONS)


def environment(name: str, text: str) -> list[str]:
    if name in ENVIRONMENT:
        return []
    return [f"{name}:{line}: os is for {', '.join(ENVIRONMENT)} only"
            for line, module in imports(text) if module.partition(".")[0] == "os"]


def broad(name: str, text: str) -> list[str]:
    """`except:`, `except Exception`, `except BaseException`, also inside a tuple."""
    if name in BROAD:
        return []
    out = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ExceptHandler):
            kinds = node.type.elts if isinstance(node.type, ast.Tuple) else [node.type]
            for kind in kinds:
                if kind is None or (isinstance(kind, ast.Name)
                                    and kind.id in ("Exception", "BaseException")):
                    out.append(f"{name}:{node.lineno}: catches everything")
    return out


def long(name: str, text: str) -> list[str]:
    count = text.count("\n")
    if count > LINES_MAX and name not in LONG:
        return [f"{name}: {count} lines; over {LINES_MAX} needs a reason in LONG"]
    return []


CHECKS = {check.__name__: check for check in (
    impure_imports, impure_calls, wrong_way, environment, broad, long)}


# -------------------------------------------------------------------------------------- tests


@pytest.mark.parametrize(("check", "name", "text"), [
    ("impure_imports", "models/x.py", "import time\n"),
    ("impure_imports", "models/x.py", "from os import path\n"),
    ("impure_imports", "alerts/x.py", "def f():\n    import sqlite3\n"),
    ("impure_imports", "streams/pipeline.py", "import river\n"),
    ("impure_imports", "models/x.py", "from river import optim\n"),
    ("impure_calls", "models/x.py", "import datetime as dt\nx = dt.datetime.now(dt.UTC)\n"),
    ("impure_calls", "models/x.py", "import datetime\nx = datetime.date.today()\n"),
    ("impure_calls", "alerts/x.py", "x = open('a')\n"),
    ("impure_calls", "models/x.py", "x = hash('a')\n"),
    ("impure_calls", "models/x.py", "import numpy as np\nx = np.random.default_rng()\n"),
    ("impure_calls", "models/x.py", "import datetime as dt\nx = dt.datetime.fromtimestamp(1)\n"),
    ("wrong_way", "models/x.py", "from alerts import rules\n"),
    ("wrong_way", "alerts/x.py", "from storage import effects\n"),
    ("wrong_way", "streams/tables.py", "from console.app import create_app\n"),
    ("wrong_way", "storage/x.py", "from streams.codec import decode\n"),
    ("wrong_way", "streams/intake.py", "import console.app\n"),
    ("wrong_way", "alerts/x.py", "from dispatch.ledger import Ledger\n"),
    ("wrong_way", "dispatch/x.py", "from streams.embedded import Embedded\n"),
    ("wrong_way", "console/x.py", "from streams.embedded import Embedded\n"),
    ("environment", "streams/x.py", "import os\n"),
    ("broad", "streams/x.py", "try:\n    f()\nexcept Exception:\n    pass\n"),
    ("broad", "streams/x.py", "try:\n    f()\nexcept (OSError, BaseException):\n    pass\n"),
    ("broad", "console/x.py", "try:\n    f()\nexcept:\n    pass\n"),
    ("long", "models/x.py", "x = 1\n" * (LINES_MAX + 1)),
])
def test_a_planted_fault_is_found(check: str, name: str, text: str) -> None:
    assert CHECKS[check](name, text)


@pytest.mark.parametrize(("check", "name", "text"), [
    ("impure_imports", "streams/cli.py", "import time\n"),
    ("impure_calls", "models/x.py", "x = dt.datetime.fromtimestamp(1, dt.UTC)\n"),
    ("wrong_way", "streams/tables.py", "from console.i18n import word\n"),
    ("wrong_way", "streams/pipeline.py", "from storage.effects import AlertChanged\n"),
    ("broad", "streams/x.py", "try:\n    f()\nexcept OSError:\n    pass\n"),
    ("long", "models/x.py", "x = 1\n" * LINES_MAX),
])
def test_what_is_allowed_is_left_alone(check: str, name: str, text: str) -> None:
    assert not CHECKS[check](name, text)


@pytest.mark.parametrize("check", CHECKS)
def test_the_product_keeps_the_rule(check: str) -> None:
    wrong = [line for name, text in sources().items() for line in CHECKS[check](name, text)]
    assert wrong == []


def test_every_exception_is_still_needed() -> None:
    texts = sources()
    for name, base in (*EXCEPTIONS, *CORE_EXCEPTIONS):
        found = [m for _, m in imports(texts.get(name, "")) if m.startswith(base)]
        assert found, f"{name} no longer imports {base}: take the exception out"
    for name in LONG:
        assert texts.get(name, "").count("\n") > LINES_MAX, f"{name} is short: take it out of LONG"


def test_core_modules_exist() -> None:
    texts = sources()
    assert all(name in texts for name in CORE_ALONE)
    assert sum(is_core(name) for name in texts) > 15
