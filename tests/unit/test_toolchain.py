"""Building the tools: what is built again, and what a person is told when a build fails."""

from __future__ import annotations

import importlib.metadata
import re
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from engine import toolchain
from engine.toolchain import TOOLS, ToolchainError


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, and a Go that does nothing but fail."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    failing = tmp_path / "go"
    failing.write_text('#!/bin/sh\necho "cannot find module" >&2\nexit 1\n')
    failing.chmod(0o755)
    monkeypatch.setattr(toolchain, "go", lambda: str(failing))
    return tmp_path


def test_a_failed_build_names_the_tool_and_keeps_its_log(cache: Path) -> None:
    with pytest.raises(ToolchainError) as error:
        toolchain.build(["actionlint"])
    message = str(error.value)
    assert message.startswith("actionlint 1.7.12 could not be built; the log is ")
    assert "cannot find module" in message
    assert "Remedy:" in message
    (log,) = cache.rglob("actionlint.log")
    assert str(log) in message
    assert "cannot find module" in log.read_text()
    assert not [path for path in cache.rglob("actionlint") if path.is_file()]  # a half-built tool is never used


def test_the_command_fails_without_a_traceback(cache: Path) -> None:
    done = CliRunner().invoke(toolchain.main, ["actionlint"])
    assert done.exit_code == 1
    assert "Error: actionlint 1.7.12 could not be built" in done.output
    assert cache.exists()


def test_nothing_goes_on_after_a_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    begun = tmp_path / "begun"
    begun.mkdir()
    slow = tmp_path / "go"
    slow.write_text(
        f"""#!/bin/sh
touch {begun}/"$(basename "$PWD")"
test "$(basename "$PWD")" = loki && exec sleep 1000
while ! test -e {begun}/loki; do sleep 0.1; done
exit 1
"""
    )
    slow.chmod(0o755)
    monkeypatch.setattr(toolchain, "go", lambda: str(slow))
    monkeypatch.setattr(toolchain, "AT_ONCE", 2)
    with pytest.raises(ToolchainError, match="pulumi"):
        toolchain.build(["loki", "pulumi", "actionlint"])
    assert {path.name for path in begun.iterdir()} == {"loki", "pulumi"}  # side by side, and no third


@pytest.mark.parametrize("changed", ["go.mod", "go.sum", "added/ui/app/dist/lacking.txt"])
def test_a_change_of_what_it_is_made_of_is_another_binary(
    changed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(toolchain.MODULES / "alertmanager", tmp_path / "alertmanager")
    monkeypatch.setattr(toolchain, "MODULES", tmp_path)
    before = toolchain._path(TOOLS["alertmanager"])
    with (tmp_path / "alertmanager" / changed).open("a") as file:
        file.write("\n")
    assert toolchain._path(TOOLS["alertmanager"]) != before


def test_a_module_that_lacks_files_is_built_from_a_copy_that_has_them(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = tmp_path / "module"
    original.mkdir()
    (original / "go.mod").write_text("module github.com/prometheus/alertmanager\n")
    original.chmod(0o555)
    recording = tmp_path / "recording"
    recording.write_text(
        f"""#!/bin/sh
case "$1" in
list) echo {original} ;;
build)
    for argument in "$@"; do case "$argument" in -modfile=*) mod="${{argument#-modfile=}}" ;; esac; done
    copy="$(sed -n 's/^replace .* => //p' "$mod")"
    test -f "$copy/go.mod" && test -f "${{mod%.mod}}.sum" || exit 1
    while [ "$1" != -o ]; do shift; done
    cp "$copy/ui/app/dist/lacking.txt" "$2" ;;
esac
"""
    )
    recording.chmod(0o755)
    monkeypatch.setattr(toolchain, "go", lambda: str(recording))
    toolchain.build(["alertmanager"])
    assert "which the module's archive lacks" in toolchain.tool("alertmanager").read_text()
    assert [path.name for path in cache.glob("*/alertmanager-*/*") if path.is_dir()] == []  # the copy is gone


@pytest.fixture
def npm(cache: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An npm that installs one file, or fails if the file `failing` is there."""
    fake = cache / "npm"
    fake.write_text(
        f"""#!/bin/sh
test "$1" = ci && test -f package.json && test -f package-lock.json && test -f .npmrc || exit 2
mkdir node_modules && echo "$PWD" > node_modules/installed
! test -f {cache}/failing || {{ echo "npm error 404" >&2; exit 1; }}
"""
    )
    fake.chmod(0o755)
    monkeypatch.setattr("engine.npm.NPM", [str(fake)])
    return cache


def test_packages_of_node_are_installed_once_and_without_go(npm: Path) -> None:
    installed = toolchain.tool("grafana-data") / "node_modules" / "installed"
    assert installed.is_relative_to(npm)
    before = installed.stat().st_mtime_ns
    assert toolchain.tool("grafana-data") == installed.parents[1]
    assert installed.stat().st_mtime_ns == before
    assert toolchain.missing(["grafana-data"]) == []


def test_a_failed_installation_names_what_to_check_and_is_tried_again(npm: Path) -> None:
    (npm / "failing").touch()
    with pytest.raises(ToolchainError) as error:
        toolchain.build(["grafana-data"])
    assert "npm error 404" in str(error.value)
    assert "Remedy: check that npm's registry can be reached (npm config get registry)" in str(error.value)
    assert [item.name for item in toolchain.missing(["grafana-data"])] == ["grafana-data"]
    (npm / "failing").unlink()
    assert (toolchain.tool("grafana-data") / "node_modules" / "installed").exists()


@pytest.mark.parametrize("changed", toolchain.NODE_LOCKED)
def test_a_change_of_what_is_locked_is_another_installation(
    changed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(toolchain.MODULES / "grafana-data", tmp_path / "grafana-data")
    monkeypatch.setattr(toolchain, "MODULES", tmp_path)
    before = toolchain._path(TOOLS["grafana-data"])
    with (tmp_path / "grafana-data" / changed).open("a") as file:
        file.write("\n")
    assert toolchain._path(TOOLS["grafana-data"]) != before


def test_every_tool_is_pinned_by_a_module_of_its_own() -> None:
    for item in (item for item in TOOLS.values() if not item.node):
        assert (item.directory / "go.mod").exists()
        assert (item.directory / "go.sum").exists()
        if not item.package.startswith("."):
            assert f"{item.package}\n" in (item.directory / "go.mod").read_text()


def test_the_kubernetes_provider_is_the_one_that_the_program_asks_for() -> None:
    assert TOOLS["pulumi-resource-kubernetes"].version == importlib.metadata.version("pulumi-kubernetes")


def test_helm_is_the_one_that_the_provider_has_in_it() -> None:
    helm = TOOLS["helm"]
    assert helm.directory == TOOLS["pulumi-resource-kubernetes"].directory
    assert f"helm.sh/helm/v3 {helm.version} " in (helm.directory / "go.mod").read_text()


@pytest.mark.parametrize("name", [name for name in TOOLS if "kubernetes/cmd" in TOOLS[name].package])
def test_a_command_of_kubernetes_says_the_version_that_it_is_built_from(name: str) -> None:
    item = TOOLS[name]
    module = (item.directory / "go.mod").read_text()
    assert f"k8s.io/kubernetes {item.version}" in module
    staging = set(re.findall(r"=> k8s\.io/\S+ (v\S+)", module))
    assert staging == {item.version.replace("v1.", "v0.", 1)}
    assert f"Version={item.version}" in (linker := item.flags[3])
    assert f"gitMinor={item.version.split('.')[1]}" in linker


@pytest.mark.parametrize(("said", "version"), [("go1.26.5", (1, 26, 5)), ("go1.27", (1, 27, 0)), ("nonsense", (0,))])
def test_a_go_that_is_too_old_is_told_from_one_that_is_not(said: str, version: tuple[int, ...], tmp_path: Path) -> None:
    fake = tmp_path / "go"
    fake.write_text(f"#!/bin/sh\necho {said}\n")
    fake.chmod(0o755)
    assert toolchain._go_version(str(fake)) == version
    assert (version >= toolchain.GO_NEEDED) is (said != "nonsense")
