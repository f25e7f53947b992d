"""What a wheel and a source distribution hold, what is installed of them, and whose `data` a project then imports."""

import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
ROOMS = ("data", "gnn", "rnn", "combined")
pytestmark = pytest.mark.slow


def ran(*command: object, folder: Path, path: Path | None = None) -> str:
    """What a command prints. No path of the clone's but `path` reaches it."""
    settings = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}
    if path is not None:
        settings["PYTHONPATH"] = str(path)
    done = subprocess.run([str(c) for c in command], cwd=folder, env=settings, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def site_packages(environment: Path) -> Path:
    return Path(sysconfig.get_path("purelib", "venv", {"base": str(environment), "platbase": str(environment)}))


def share_libraries(environment: Path) -> None:
    """Let an environment see the libraries of the running one, but not what is installed there by a link."""
    (site_packages(environment) / "libraries.pth").write_text(sysconfig.get_path("purelib") + "\n")


def make_environment(folder: Path) -> Path:
    ran(sys.executable, "-m", "venv", "--without-pip", folder, folder=folder.parent)
    return folder


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """The source distribution, built from the files that belong to it and nothing else."""
    place = tmp_path_factory.mktemp("source")
    for name in (*ROOMS, "graphreel"):
        shutil.copytree(ROOT / name, place / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("setup.py", "setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, place)
    ran(sys.executable, "-c", "from setuptools import build_meta; build_meta.build_sdist('dist')", folder=place)
    (archive,) = (place / "dist").glob("graphreel-*.tar.gz")
    return archive


@pytest.fixture(scope="module")
def wheel(source):
    """The wheel, built from the source distribution."""
    with tarfile.open(source) as archive:
        archive.extractall(source.parent / "unpacked", filter="data")
    (unpacked,) = (source.parent / "unpacked").iterdir()
    build = ("wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", source.parent)
    ran(sys.executable, "-m", "pip", *build, unpacked, folder=source.parent)
    (built,) = source.parent.glob("graphreel-*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """An environment with the wheel, and the names that it added to site-packages."""
    environment = make_environment(tmp_path_factory.mktemp("installed") / "environment")
    before = set(os.listdir(site_packages(environment)))
    install = ("install", "--quiet", "--no-deps", "--no-index", "--disable-pip-version-check", wheel)
    ran(sys.executable, "-m", "pip", "--python", environment / "bin/python", *install, folder=wheel.parent)
    added = set(os.listdir(site_packages(environment))) - before
    share_libraries(environment)
    return environment, added


@pytest.fixture(scope="module")
def bare(tmp_path_factory):
    """An environment with the libraries and without graphreel."""
    environment = make_environment(tmp_path_factory.mktemp("bare") / "environment")
    share_libraries(environment)
    return environment


def package_files() -> set[str]:
    """Every file of the package, by its place when installed."""
    found = set()
    for name in (*ROOMS, "graphreel"):
        for path in (ROOT / name).rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts:
                found.add(("" if name == "graphreel" else "graphreel/") + path.relative_to(ROOT).as_posix())
    return found


def test_the_wheel_holds_every_file_of_the_package_and_nothing_else(wheel):
    files = {name for name in zipfile.ZipFile(wheel).namelist() if not name.partition("/")[0].endswith(".dist-info")}
    assert files == package_files()
    assert {"graphreel/py.typed", "graphreel/gnn/__init__.pyi", "graphreel/report/templates/page.css"} <= files


def test_the_description_shows_on_an_index(wheel):
    archive = zipfile.ZipFile(wheel)
    (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
    header, _, text = archive.read(name).decode().partition("\n\n")
    assert "Author: graphreel maintainers" in header and "Keywords: " in header
    assert "Home-page" not in header and "Project-URL" not in header
    assert len(text) > 1000 and "](docs/" not in text and "](CHANGELOG" not in text and "<img" not in text


def test_only_graphreel_lands_in_site_packages(installed):
    _, added = installed
    assert {name for name in added if not name.endswith(".dist-info")} == {"graphreel"}
    assert len(added) == 2


@pytest.mark.parametrize("with_init", [True, False])
def test_a_project_imports_its_own_data(installed, tmp_path, with_init):
    (tmp_path / "data").mkdir()
    (tmp_path / "data/mine.py").write_text("VALUE = 3\n")
    if with_init:
        (tmp_path / "data/__init__.py").touch()
    program = "import graphreel.data\nfrom data.mine import VALUE\nprint(VALUE, graphreel.data.load('six-node'))\n"
    (tmp_path / "script.py").write_text(program)
    assert ran(installed[0] / "bin/python", "script.py", folder=tmp_path).startswith("3 Data(x=[6, 6]")


def test_the_commands_work(installed, tmp_path):
    environment, _ = installed
    assert "Usage: graphreel" in ran(environment / "bin/graphreel", "--help", folder=tmp_path)
    train = ("gnn", "train", "--data", "six-node", "--epochs", "2")
    assert "test accuracy" in ran(environment / "bin/python", "-m", "graphreel", *train, folder=tmp_path)
    assert list(tmp_path.rglob("checkpoint.pt"))


SAME = """
import importlib, sys
sys.path[:] = [*sys.path, {path!r}] if {path!r} else sys.path
for room in ("gnn", "rnn", "combined", "data"):
    short, full = importlib.import_module(room), importlib.import_module("graphreel." + room)
    assert full.__all__ and all(getattr(short, name) is getattr(full, name) for name in full.__all__), room
from gnn import GCNConv
print(sys.modules[GCNConv.__module__].__file__)
"""


@pytest.mark.parametrize("first", ["graphreel", "room"])
@pytest.mark.parametrize("python", ["with the wheel", "without", "as it runs here"])
def test_in_a_clone_a_class_exists_once(request, python, first):
    interpreters = {"with the wheel": "installed", "without": "bare"}
    program = ("import graphreel.gnn, graphreel.rnn\n" if first == "graphreel" else "") + SAME.format(path="")
    if python == "as it runs here":
        interpreter = Path(sys.executable)
    else:
        environment = request.getfixturevalue(interpreters[python])
        interpreter = (environment[0] if python == "with the wheel" else environment) / "bin/python"
    place = ran(interpreter, "-c", program, folder=ROOT)
    assert place.strip() == str(ROOT / "gnn/conv/gcn_conv.py")


def test_a_clone_behind_the_wheel_on_the_path_gives_the_wheels_classes(installed, tmp_path):
    place = ran(installed[0] / "bin/python", "-c", SAME.format(path=str(ROOT)), folder=tmp_path)
    assert Path(place.strip()).is_relative_to(site_packages(installed[0]))
