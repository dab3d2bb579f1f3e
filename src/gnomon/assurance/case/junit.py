"""A case as JUnit XML, which every CI system reads: a row of the policy is a test.

``crossed`` is a failure. ``insufficient`` is an error, not skipped: most systems show what was skipped as green, and a
row that was not shown is never green.

Source: the Jenkins xUnit schema, https://github.com/jenkinsci/xunit-plugin (junit-10.xsd).
"""

from __future__ import annotations

import re
from xml.etree import ElementTree

from gnomon.assurance.case.case import Case
from gnomon.assurance.case.node import Evidence

_NOT_XML = re.compile("[^\\t\\n\\r\\x20-\\ud7ff\\ue000-\\ufffd\\U00010000-\\U0010ffff]")


def junit(case: Case) -> str:
    """The XML document, with a test for each row of the policy."""
    rows = case.decision["rows"]
    failures, errors = (sum(row["verdict"] == word for row in rows) for word in ("crossed", "insufficient"))
    seconds = {row["threshold"]: _seconds(case, row["threshold"]) for row in rows}
    counts = {
        "tests": str(len(rows)),
        "failures": str(failures),
        "errors": str(errors),
        "skipped": "0",
        "time": f"{sum(seconds.values()):.3f}",
    }
    root = ElementTree.Element("testsuites", {"name": "gnomon assure", **counts})
    name = _text(f"{case.subject.name} under {case.policy.name}")
    suite = ElementTree.SubElement(
        root, "testsuite", {"name": name, **counts, "timestamp": case.made[:19], "hostname": "gnomon"}
    )
    properties = ElementTree.SubElement(suite, "properties")
    for key, value in (
        ("weights", case.subject.sha256),
        ("policy", case.policy.sha256),
        ("gnomon", str(case.software.get("gnomon", ""))),
        ("level", str(case.decision.get("level", ""))),
    ):
        ElementTree.SubElement(properties, "property", {"name": key, "value": _text(value)})
    for row in rows:
        test = ElementTree.SubElement(
            suite,
            "testcase",
            {
                "classname": _text(f"gnomon.{case.policy.name}"),
                "name": _text(row["threshold"]),
                "time": f"{seconds[row['threshold']]:.3f}",
            },
        )
        if row["verdict"] != "within":
            kind = "failure" if row["verdict"] == "crossed" else "error"
            found = ElementTree.SubElement(test, kind, {"type": row["verdict"], "message": _text(row["reason"])})
            found.text = _text("\n".join(_told(case, row["threshold"])))
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"


def _of_row(case: Case, threshold: str) -> list[Evidence]:
    start = f"row:{threshold}/"
    return [one for one in case.evidence() if one.id.startswith(start)]


def _seconds(case: Case, threshold: str) -> float:
    """Time of the measurements behind a row."""
    return sum(one.measured.cost.seconds for one in _of_row(case, threshold))


def _told(case: Case, threshold: str) -> list[str]:
    lines = []
    for one in _of_row(case, threshold):
        ends = "not measured" if one.ends is None else f"[{one.ends[0]:.6g}, {one.ends[1]:.6g}]"
        lines += [f"{one.text} {ends}, line {one.criterion.line:g}: {one.state}", f"  {' '.join(one.command)}"]
    return lines


def _text(text: str) -> str:
    """``text`` without the characters that XML has no place for."""
    return _NOT_XML.sub("\N{REPLACEMENT CHARACTER}", text)
