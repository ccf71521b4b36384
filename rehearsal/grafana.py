"""A Grafana that shows the deployed dashboards, for `make up GRAFANA=1`: where there is a Grafana, or Docker to run it.

It is provisioned with what the stack deploys for its own Grafana: the data sources, with the addresses of this machine,
and the dashboards, in their folders. Everybody on this machine may look, and nobody may change anything.

Its settings are those of Grafana's documentation ("Configure Grafana", "Provision Grafana", "Run Grafana Docker
image"). A real 12.4.0 has read them; the tests only hold what is written, and start stand-ins.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

from facts import GRAFANA_FOLDER, GRAFANA_HOME
from local import switches
from local.errors import RehearsalError
from local.ports import HOST, Ports
from local.program import Program, digest
from local.state import State, write
from rehearsal.deployed import Deployed

NAME = "grafana"
IMAGE = "grafana/grafana:13.2.0"
"""The version that the pinned chart kube-prometheus-stack brings."""
DOWNLOAD = "https://grafana.com/grafana/download"
POLL_SECONDS = 11
"""How often Grafana looks for changed dashboards. Up to 10 s it waits for the kernel to report changes, and then
misses those after the first (seen with 12.4.0)."""
NOT_RUN = frozenset({"tempo"})
"""Kinds of data sources that the rehearsal does not run."""


def from_environment() -> bool | None:
    """Whether `GRAFANA` asks for it; None if it is not set. Raises RehearsalError if it is neither 1 nor 0."""
    return switches.on("GRAFANA", "start Grafana")


def server() -> list[str]:
    """The command of the Grafana on PATH, or else of the one in Docker. Raises RehearsalError if there is neither."""
    for name in ("grafana", "grafana-server"):
        found = shutil.which(name)
        if found:
            return _installed(Path(found).resolve())
    docker = shutil.which("docker")
    if docker:
        return [docker, "run", "--rm"]
    raise RehearsalError(
        f"GRAFANA=1: neither grafana, grafana-server nor docker is on PATH. Install Grafana ({DOWNLOAD}) or Docker, "
        "or leave GRAFANA=1 out: make report draws the dashboards without either"
    )


def prepare() -> None:
    """Make sure that Grafana can be started. Raises RehearsalError if it cannot, with what would help."""
    command = server()
    if "run" not in command:
        return
    docker = command[0]
    for attempt in (["image", "inspect", IMAGE], ["pull", "--quiet", IMAGE]):
        done = subprocess.run([docker, *attempt], capture_output=True, text=True, check=False)
        if done.returncode == 0:
            return
    raise RehearsalError(
        f"GRAFANA=1: Docker does not give {IMAGE}: {done.stderr.strip()}\nStart Docker, or install Grafana "
        f"({DOWNLOAD}), or leave GRAFANA=1 out: make report draws the dashboards without either"
    )


def _installed(found: Path) -> list[str]:
    """The command of an installed Grafana, whose own files are where an archive, Homebrew or a package puts them."""
    homes = (found.parent.parent, found.parent.parent / "share" / "grafana", Path("/usr/share/grafana"))
    home = next((home for home in homes if (home / "conf" / "defaults.ini").exists()), None)
    if home is None:
        places = ", ".join(map(str, homes))
        raise RehearsalError(
            f"GRAFANA=1: {found} has its conf/defaults.ini in none of {places}: install all of Grafana"
        )
    # On PATH a package has a script that adds the settings of a system service.
    program = home / "bin" / "grafana" if (home / "bin" / "grafana").exists() else found
    return [str(program), *(["server"] if program.name == "grafana" else []), f"--homepath={home}"]


def provision(state: State, ports: Ports) -> None:
    """Write what Grafana is provisioned with, from what is deployed now, and remove what no longer is.

    Grafana looks into these directories while it runs: each file is replaced as a whole, and no directory is removed.
    """
    directory = _directory(state)
    files = _files(state, ports)
    for path, text in files.items():
        write(path, text)
    for part in ("provisioning", "dashboards"):
        for path in (directory / part).rglob("*"):
            if path.is_file() and path not in files:
                path.unlink()
    (directory / "data").mkdir(mode=0o700, exist_ok=True)


def _files(state: State, ports: Ports) -> dict[Path, str]:
    directory, deployed = _directory(state), Deployed(state.cluster)
    provisioning = directory / "provisioning"
    files = {provisioning / "dashboards" / "dashboards.yaml": json.dumps(_provider(directory))}
    for item in deployed.data_sources():
        files |= {provisioning / "datasources" / name: _here(text, ports) for name, text in item["data"].items()}
    for item in deployed.dashboards():
        folder = directory / "dashboards" / item["metadata"]["annotations"]["grafana_folder"]
        files |= {folder / name: _answerable(text) for name, text in item["data"].items()}
    return files


def program(state: State, ports: Ports, *, runs: bool = False) -> Program:
    """The process of Grafana, provisioned before; the same one while it `runs`, whatever is on PATH by now.

    Raises RehearsalError if this machine has none.
    """
    command, directory, settings = _command(state, runs=runs), _directory(state), _settings(state, ports)
    if "run" in command:
        command += [
            "--network=host",  # what it asks listens on this machine's loopback only
            f"--user={os.getuid()}:{os.getgid()}",
            f"--volume={directory}:{directory}",
            *(f"--env={key}={value}" for key, value in settings.items()),
            IMAGE,
        ]
    read_at_start = sorted((directory / "provisioning").rglob("*.yaml"))
    return Program(NAME, command, settings, restart_on=digest(*read_at_start))


def _settings(state: State, ports: Ports) -> dict[str, str]:
    """Grafana's settings, as environment variables."""
    directory = _directory(state)
    return {
        "GF_PATHS_PROVISIONING": str(directory / "provisioning"),
        "GF_PATHS_DATA": str(directory / "data"),
        "GF_PATHS_LOGS": str(directory / "data" / "log"),
        "GF_PATHS_PLUGINS": str(directory / "data" / "plugins"),
        "GF_LOG_MODE": "console",
        "GF_SERVER_HTTP_ADDR": HOST,
        "GF_SERVER_HTTP_PORT": str(ports[NAME]),
        "GF_AUTH_ANONYMOUS_ENABLED": "true",
        "GF_AUTH_ANONYMOUS_ORG_ROLE": "Viewer",
        "GF_AUTH_BASIC_ENABLED": "false",
        "GF_AUTH_DISABLE_LOGIN_FORM": "true",
        "GF_ANALYTICS_REPORTING_ENABLED": "false",
        "GF_ANALYTICS_CHECK_FOR_UPDATES": "false",
        "GF_ANALYTICS_CHECK_FOR_PLUGIN_UPDATES": "false",
        "GF_PLUGINS_PREINSTALL_DISABLED": "true",
        "GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH": str(
            directory / "dashboards" / GRAFANA_FOLDER / f"{GRAFANA_HOME}.json"
        ),
    }


def _provider(directory: Path) -> dict[str, object]:
    """Where Grafana finds the dashboards: a directory for each folder."""
    options = {"path": str(directory / "dashboards"), "foldersFromFilesStructure": True}
    provider = {"name": "deployed", "type": "file", "updateIntervalSeconds": POLL_SECONDS, "options": options}
    return {"apiVersion": 1, "providers": [provider]}


def _here(text: str, ports: Ports) -> str:
    """The deployed data sources, with the addresses of this machine."""
    document = json.loads(text)
    sources = [source for source in document["datasources"] if source["type"] not in NOT_RUN]
    document["datasources"] = [source | {"url": ports.url(source["type"])} for source in sources]
    return json.dumps(document, indent=2)


def _answerable(text: str) -> str:
    """A dashboard without what asks a data source that is not run: Grafana would mark all of it with an error."""
    if not any(kind in text for kind in NOT_RUN):
        return text
    board = json.loads(text)
    board["panels"] = [item for item in board["panels"] if item.get("datasource", {}).get("type") not in NOT_RUN]
    choices = board["templating"]["list"]
    board["templating"]["list"] = [
        item for item in choices if item["type"] != "datasource" or item["query"] not in NOT_RUN
    ]
    return json.dumps(board, indent=2)


def _command(state: State, *, runs: bool) -> list[str]:
    """The command of the Grafana that runs, or else of the one found now, which is remembered."""
    remembered = _directory(state) / "command.json"
    if runs and remembered.exists():
        command: list[str] = json.loads(remembered.read_text())
        return command
    write(remembered, json.dumps(server()))
    return server()


def _directory(state: State) -> Path:
    return state.root / NAME
