"""The workspace, without a server, and saved to one that is only a stub."""

import json
import os
import re
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from spinodal import cli
from spinodal.records import SCHEMA
from spinodal.tracking.dashboard import SECTIONS, workspace

GOLDEN = Path(__file__).with_name("dashboard.json")


def spec():
    """As W&B gets it; ids of panels differ between builds."""
    text = (
        workspace("somebody", "spinodal")._to_model().spec.model_dump_json(by_alias=True, exclude_none=True)
    )
    return json.loads(re.sub(r'"(__id__|id)":"[^"]*"', r'"\1":""', text))


def panels():
    return {
        section["name"]: section["panels"]
        for section in spec()["section"]["panelBankConfig"]["sections"]
        if section["panels"]
    }


def test_it_is_what_it_was():
    """After a wanted change: SPINODAL_GOLDEN=1 pytest tests/tracking/test_dashboard.py, and read the difference."""
    if os.environ.get("SPINODAL_GOLDEN"):
        GOLDEN.write_text(
            json.dumps(spec(), indent=1, ensure_ascii=False, sort_keys=True) + "\n", encoding="utf-8"
        )
    assert spec() == json.loads(GOLDEN.read_text(encoding="utf-8"))


def test_observables_are_drawn_against_l2_on_a_log_axis_grouped_by_complexity_and_branch():
    drawn = {}
    for section, columns in SECTIONS.items():
        lines = [
            panel["config"] for panel in panels()[section] if panel["viewType"] == "Run History Line Plot"
        ]
        assert [line["metrics"] for line in lines] == [[column] for column in columns]
        for line in lines:
            assert (line["xAxis"], line["xLogScale"], line["groupAgg"]) == ("l2", True, "mean")
            drawn[line["metrics"][0]] = line
    assert {"error", "accuracy", "norm", "scalar_curvature", "soft_mode", "grad_max"} <= drawn.keys()
    assert drawn.keys() <= SCHEMA.keys()
    (runset,) = spec()["section"]["runSets"]
    assert [each["name"] for each in runset["grouping"]] == ["complexity.value", "branch.value"]


def test_the_grid_is_there_in_parallel_coordinates():
    (panel,) = panels()["Grid"]
    assert panel["viewType"] == "Parallel Coordinates Plot"
    columns = [(each["displayName"], each["accessor"]) for each in panel["config"]["columns"]]
    assert columns == [
        ("λ", "summary:l2"),
        ("K", "config:complexity.value"),
        ("depth", "config:depth.value"),
        ("seed", "config:seed.value"),
        ("error", "summary:error"),
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


def test_what_it_needs_is_on_the_package_index_by_that_name(capsys, monkeypatch):
    monkeypatch.delitem(sys.modules, "spinodal.tracking.dashboard")
    monkeypatch.setitem(sys.modules, "wandb_workspaces", None)
    monkeypatch.delitem(sys.modules, "wandb_workspaces.reports.v2", raising=False)
    assert cli.main(["dashboard", "me/mine"]) == 2
    assert (
        capsys.readouterr().err == "error: dashboard: needs wandb-workspaces: pip install wandb-workspaces\n"
    )
