"""The workspace, without a server, and saved to one that is only a stub."""

import json
import os
import re
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import polars as pl
import pytest

from spinodal import cli
from spinodal.records import SCHEMA
from spinodal.records.writer import write_whole
from spinodal.tracking.dashboard import SECTIONS, workspace

GOLDEN = Path(__file__).with_name("dashboard.json")


def spec(*campaigns):
    """As W&B gets it; ids of panels differ between builds."""
    view = workspace("somebody", "spinodal", campaigns)
    text = view._to_model().spec.model_dump_json(by_alias=True, exclude_none=True)
    return json.loads(re.sub(r'"(__id__|id)":"[^"]*"', r'"\1":""', text))


def panels(*campaigns):
    return {
        section["name"]: section["panels"]
        for section in spec(*campaigns)["section"]["panelBankConfig"]["sections"]
        if section["panels"]
    }


def test_it_is_what_it_was():
    """After a wanted change: SPINODAL_GOLDEN=1 pytest tests/tracking/test_dashboard.py, and read the difference."""
    if os.environ.get("SPINODAL_GOLDEN"):
        GOLDEN.write_text(
            json.dumps(spec(), indent=1, ensure_ascii=False, sort_keys=True) + "\n", encoding="utf-8"
        )
    assert spec() == json.loads(GOLDEN.read_text(encoding="utf-8"))


def lines(panels):
    return {panel["config"]["metrics"][0]: panel["config"] for panel in panels if "Line" in panel["viewType"]}


def test_observables_are_drawn_against_l2_on_a_log_axis_a_line_for_each_curve():
    drawn = {}
    for section, columns in SECTIONS.items():
        of_section = lines(panels()[f"{section} against λ"])
        assert [*of_section] == [*columns]
        for line in of_section.values():
            assert (line["xAxis"], line["xLogScale"], line["groupAgg"]) == ("l2", True, "mean")
        drawn |= of_section
    assert {"error", "accuracy", "norm", "scalar_curvature", "soft_mode", "grad_max"} <= drawn.keys()
    assert drawn.keys() <= SCHEMA.keys()
    (runset,) = spec()["section"]["runSets"]
    assert [each["name"] for each in runset["grouping"]] == ["campaign.value", "curve_name.value"]


def test_campaigns_have_panels_for_their_control_parameters_and_columns_of_their_own(tmp_path):
    for control, values in {"l2": [0.1, 0.2], "dropout": [0.0, 0.1]}.items():
        table = pl.DataFrame(
            {"control": control, "control_value": values, "mine": [1.0, 2.0], "point": control}
        )
        (tmp_path / control / "records").mkdir(parents=True)
        write_whole(tmp_path / control / "records" / "j.parquet", table.with_columns(stage=pl.int_range(2)))
    both = panels(tmp_path / "l2", tmp_path / "dropout")
    for name, symbol, logarithmic in (("l2", "λ", True), ("dropout", "dropout", False)):
        own = lines(both[f"Columns of your own against {symbol}"])["mine"]
        for line in (own, lines(both[f"Order parameters against {symbol}"])["error"]):
            assert (line["xAxis"], line.get("xLogScale", False)) == (name, logarithmic)


def test_what_sums_up_each_run_is_there_for_depths_and_campaigns():
    seen = panels()["Transitions"]
    dots = {
        panel["config"]["xAxis"]: panel["config"] for panel in seen if panel["viewType"] == "Scatter Plot"
    }
    assert dots["config:depth.value"]["yAxis"] == "summary:transitions/1/control"
    assert dots["summary:l2"]["yAxis"] == "summary:error"
    assert sum(panel["viewType"] == "Bar Chart" for panel in seen) == 3
    (grid,) = (panel["config"] for panel in seen if panel["viewType"] == "Parallel Coordinates Plot")
    assert [each["accessor"] for each in grid["columns"]] == [
        *(f"config:{name}.value" for name in ("campaign", "complexity", "depth", "width", "seed")),
        *(f"summary:{name}" for name in ("transitions/1/control", "transitions/count", "best/test_accuracy")),
    ]


KEY = "local" + "0" * 40


class Stub(BaseHTTPRequestHandler):
    """Answers what saving a view asks; remembers it."""

    views = ()
    refusing = False

    def do_GET(self):
        self.send_response(200)
        self.end_headers()

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if "upsertView" in asked["query"]:
            Stub.views += (asked["variables"],)
            data = {"upsertView": {"view": {"id": "1", "name": "nw-1-v"}, "inserted": True}}
        else:
            data = {"viewer": {"id": "1", "username": "somebody", "entity": "somebody", "flags": "{}"}}
        body = json.dumps({"errors": [{"message": "no such project"}]} if Stub.refusing else {"data": data})
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *args):
        pass


@pytest.fixture
def server(monkeypatch):
    Stub.views, Stub.refusing = (), False
    served = HTTPServer(("127.0.0.1", 0), Stub)
    threading.Thread(target=served.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{served.server_port}"
    monkeypatch.setenv("WANDB_BASE_URL", url)
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    yield url
    served.shutdown()


def test_it_is_saved_and_its_address_is_said(server, capsys):
    assert cli.main(["dashboard", "somebody/spinodal"]) == 0
    (view,) = Stub.views
    assert (view["entityName"], view["projectName"]) == ("somebody", "spinodal")
    saved = json.loads(re.sub(r'"(__id__|id)":"[^"]*"', r'"\1":""', view["spec"]))
    assert saved["section"]["panelBankConfig"] == spec()["section"]["panelBankConfig"]
    said = capsys.readouterr()
    assert said.out.strip().startswith("http")
    assert "somebody/spinodal" in said.out
    assert KEY not in said.out + said.err


def test_a_server_that_refuses_is_told_in_a_line(server, capsys):
    Stub.refusing = True
    assert cli.main(["dashboard", "somebody/spinodal"]) == 2
    assert "no such project" in capsys.readouterr().err


@pytest.mark.parametrize("project", ["spinodal", "/spinodal", "a/b/c", "a/"])
def test_a_project_has_an_owner(project, capsys):
    assert cli.main(["dashboard", project]) == 2
    assert "must be entity/project" in capsys.readouterr().err


def test_it_can_be_looked_at_without_a_server(capsys):
    assert cli.main(["dashboard", "a/b", "--print"]) == 0
    assert json.loads(capsys.readouterr().out)["section"]
