"""A campaign on a real server: openwandb, which is compatible with W&B, on loopback, in an environment of its own."""

import json
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.request
import venv
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import polars as pl
import pytest

from spinodal import cli
from spinodal.records import OBSERVED, read_records

pytestmark = pytest.mark.slow

KEY = "local" + "0" * 40
"""openwandb's own."""


@pytest.fixture(scope="module")
def openwandb(tmp_path_factory):
    """Its program. It is a tool for this test, and never a dependency: its licence is non-commercial."""
    folder = tmp_path_factory.mktemp("openwandb")
    venv.create(folder, with_pip=True)
    subprocess.run([folder / "bin" / "pip", "install", "-q", "openwandb==0.5"], check=True)
    return folder / "bin" / "openwandb"


class Server:
    def __init__(self, program, folder, wait_until):
        self.wait_until = wait_until
        with closing(socket.socket()) as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url, self.folder = f"http://127.0.0.1:{self.port}", folder
        # --host, since it would listen to everybody.
        self.command = [
            program,
            "serve",
            "--host",
            "127.0.0.1",
            "--port",
            str(self.port),
            "--data-dir",
            folder,
        ]
        self.start()

    def start(self):
        self.process = subprocess.Popen(self.command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.wait_until(self.answers, "an answer of the server", every=0.2)

    def answers(self):
        try:
            urllib.request.urlopen(f"{self.url}/login", timeout=60).close()
        except OSError:
            return False
        return True

    def query(self, text):
        with closing(sqlite3.connect(self.folder / "openwandb.db")) as database:
            return database.execute(text).fetchall()

    def publish(self):
        """Its pages ask nobody to log in."""
        with closing(sqlite3.connect(self.folder / "openwandb.db")) as database, database:
            database.execute("update projects set visibility = 'public'")

    def configs(self):
        """Of all runs but that of the report; without what W&B writes about itself."""
        rows = self.query("select run_id, config_json from runs where display_name not like 'report%'")
        return {
            run: {key: each for key, each in json.loads(config).items() if key != "_wandb"}
            for run, config in rows
        }

    def metrics(self):
        """(run, key) → its values in the order of their steps."""
        found = {}
        for run, key, value in self.query(
            "select run_id, key, value from metrics order by run_id, key, step, id"
        ):
            found.setdefault((run, key), []).append(value)
        return found


@pytest.fixture
def serve(openwandb, tmp_path, monkeypatch, wait_until):
    """Starts servers, and makes the last one W&B's."""
    servers = []

    def start():
        servers.append(Server(openwandb, tmp_path / f"server-{len(servers)}", wait_until))
        monkeypatch.setenv("WANDB_BASE_URL", servers[-1].url)
        monkeypatch.setenv("WANDB_API_KEY", KEY)
        import wandb

        wandb.teardown()  # it reads its settings once in a process
        return servers[-1]

    yield start
    for server in servers:
        server.process.terminate()
        server.process.wait()


def compare(server, outputs):
    """Every metric of every stage of every run, once, equal to the records."""
    records, metrics = read_records(outputs), server.metrics()
    for (point, branch), rows in records.partition_by("point", "branch", as_dict=True).items():
        runs = {run for run, _ in metrics if run.startswith(f"{point}-{branch}-")}
        assert len(runs) == 1
        (run,) = runs
        rows = rows.sort("l2", descending=branch == "down")
        for name in OBSERVED:
            if name == "control_value":  # there under the name of the control parameter
                continue
            values = rows[name].drop_nulls()
            if values.dtype.is_numeric() or values.dtype == pl.Boolean:
                assert metrics.get((run, name), []) == values.cast(pl.Float64).to_list()
        assert len(metrics[run, "training/loss"]) == sum(map(len, rows["training_loss"]))


def browse(url, picture):
    """What a browser makes of a page."""
    browser = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    assert browser, "no chromium: ./launch/browser.sh installs it, or set CHROMIUM"
    options = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage")
    size = ("--window-size=1400,2200", "--virtual-time-budget=15000")
    command = [browser, *options, *size, f"--user-data-dir={picture.with_suffix('')}"]
    subprocess.run([*command, f"--screenshot={picture}", url], check=True, capture_output=True)
    assert picture.stat().st_size > 20_000
    read = subprocess.run([*command, "--dump-dom", url], check=True, capture_output=True)
    return read.stdout.decode()


def test_a_campaign_is_uploaded_whole_and_once_and_so_is_its_rebuilt_mirror(outputs, go, serve, capsys):
    go("l2=[0.03,0.07,0.2]", "seed=[0,1,2]", "callbacks=[curvature,spectrum]")
    go("l2=[0.07,0.2]", "protocol=loop", "protocol.perturbation=0.05")
    assert cli.main(["report", str(outputs), "--wandb"]) == 0
    server = serve()
    capsys.readouterr()
    assert cli.main(["sync", str(outputs)]) == 0
    assert capsys.readouterr().out.strip() == f"{outputs}: 6 uploaded"
    compare(server, outputs)
    names = {name for (name,) in server.query("select display_name from runs where state = 'finished'")}
    assert "K=2 L=3 λ=0.03…0.2 up seed 1" in names
    assert "K=2 L=3 λ=0.07…0.2 down seed 0" in names
    assert "report of c" in names
    before = server.metrics()
    assert cli.main(["sync", str(outputs)]) == 0
    assert "0 uploaded; 6 uploaded before" in capsys.readouterr().out
    assert server.metrics() == before
    # openwandb knows a run's id only once, over all projects: another server is another project.
    another = serve()
    assert cli.main(["sync", str(outputs), "--rebuild", "--project", "again"]) == 0
    assert another.metrics() == before
    assert another.configs() == server.configs()
    assert another.query("select distinct name from projects where name = 'again'")
    # What W&B's own command uploads of the folder of the jobs is the same.
    third = serve()
    folders = [str(each) for each in (outputs / "wandb").glob("offline-run-*")]
    subprocess.run(
        [sys.executable, "-m", "wandb", "sync", "--yes", *folders], check=True, capture_output=True
    )
    assert third.metrics() == before
    assert third.configs() == server.configs()


def test_online_runs_are_on_the_server_when_the_job_is_over(outputs, go, serve, capfd):
    server = serve()
    go("l2=[0.03,0.07,0.2]", "seed=[0,1]", "logger.mode=online")
    compare(server, outputs)
    assert server.url in capfd.readouterr().err
    assert cli.main(["sync", str(outputs)]) == 0
    assert "2 uploaded before" in capfd.readouterr().out
    assert not [path for path in outputs.rglob("*") if path.is_file() and KEY.encode() in path.read_bytes()]


def test_its_page_shows_runs_and_their_curves(outputs, go, serve, tmp_path):
    """The pictures stay where pytest says, to be looked at."""
    server = serve()
    go("l2=geom:0.03:0.3:8", "seed=[0,1]", "logger.mode=online")
    server.publish()
    project = browse(f"{server.url}/projects/default/spinodal", tmp_path / "project.png")
    assert all(f"K=2 L=3 λ=0.03…0.3 up seed {seed}" in project for seed in (0, 1))
    ((run,),) = server.query("select run_id from runs limit 1")
    charts = browse(f"{server.url}/runs/default/spinodal/{run}", tmp_path / "run.png")
    assert all(name in charts for name in ("accuracy", "error", "norm", "grad_max"))
    assert charts.count("<canvas") >= 10


def test_a_server_that_goes_away_and_comes_back_costs_nothing_but_a_line(outputs, serve, wait_until):
    server = serve()
    asked = ["data.complexity=2", "model=deep_linear", "campaign=c", "l2=geom:0.03:0.3:40", "seed=[0,1]"]
    job = subprocess.Popen(
        [sys.executable, "-m", "spinodal.cli", "run", *asked, "logger.mode=online"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_until(lambda: server.query("select 1 from metrics limit 1"), "a metric on the server", every=0.1)
    server.process.kill()
    server.process.wait()
    said = job.communicate()[1]
    assert job.returncode == 0, said
    assert said.count("offline from here on") == 1
    server.start()
    assert cli.main(["sync", str(outputs)]) == 0
    compare(server, outputs)


class Busy(BaseHTTPRequestHandler):
    """A server that has a server behind it, and lets every other request come again later."""

    behind, turned_away, asked = "", 0, 0

    def do_POST(self):
        content = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        Busy.asked += 1
        if Busy.asked % 2:
            Busy.turned_away += 1
            self.send_response(429)
            self.send_header("Retry-After", "1")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        passed = {
            name: value for name, value in self.headers.items() if name not in {"Host", "Accept-Encoding"}
        }
        request = urllib.request.Request(
            Busy.behind + self.path, content or None, passed, method=self.command
        )
        with urllib.request.urlopen(request) as answer:
            body = answer.read()
            self.send_response(answer.status)
            self.send_header("Content-Type", answer.headers.get("Content-Type", "application/json"))
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    def do_GET(self):
        self.do_POST()

    def do_PUT(self):
        self.do_POST()

    def log_message(self, *arguments):
        pass


def test_a_server_that_wants_fewer_requests_gets_all_runs_later(outputs, go, serve, monkeypatch, capsys):
    go("l2=[0.07,0.2]", "seed=[0,1,2]")
    server = serve()
    Busy.behind = server.url
    with ThreadingHTTPServer(("127.0.0.1", 0), Busy) as busy:
        Thread(target=busy.serve_forever, daemon=True).start()
        monkeypatch.setenv("WANDB_BASE_URL", f"http://127.0.0.1:{busy.server_port}")
        assert cli.main(["sync", str(outputs)]) == 0
        busy.shutdown()
    assert "3 uploaded" in capsys.readouterr().out
    assert Busy.turned_away > 3
    compare(server, outputs)


def test_an_interrupted_upload_continues(outputs, go, serve, closed, wait_until):
    go("l2=[0.07,0.2]", "seed=[0,1,2,3,4,5]")
    server = serve()
    command = [sys.executable, "-m", "spinodal.cli", "sync", str(outputs), "--parallel", "1"]
    upload = subprocess.Popen(command, stdout=subprocess.DEVNULL, env=os.environ)

    def there():
        return sum(bool(word["server"]) for word in closed().values())

    wait_until(there, "an uploaded run")
    upload.kill()
    upload.wait()
    time.sleep(5)  # what was under way goes on without it
    assert 0 < there() <= 6
    assert cli.main(["sync", str(outputs)]) == 0
    assert there() == 6
    compare(server, outputs)
