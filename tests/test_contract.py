"""The files that must agree: dvc.yaml, params.yaml, the code, and the rule of who may import whom."""

import ast
from pathlib import Path

import pytest

from tasks import stages
from tasks.config import read_yaml
from tasks.explaining import EXPLAINERS
from tasks.modalities import DECODERS, MODALITIES, hearing
from tasks.objectives import OBJECTIVES
from tasks.schema import Config
from tasks.versioning import definition_of

REPOSITORY = Path(__file__).resolve().parent.parent
STAGE_FILES = {f"tasks.{stage}" for stage in stages.STAGES}
CODE = sorted([*(REPOSITORY / "tasks").rglob("*.py"), *(REPOSITORY / "flows").rglob("*.py")])
ONLY_IN = {
    "prefect": lambda path: path.startswith("flows/"),
    "mlflow": lambda path: path in ("tasks/records/tracking.py", "tasks/records/served.py"),
    "dvc": lambda path: path == "tasks/versioning.py",
}
"""Which files may import a framework."""
NO_RESULT = {
    f"tasks/neural/{name}.py"
    for name in ("__init__", "backbones", "checkpoints", "devices", "hub", "memory", "published", "soundness")
}
NO_RESULT |= {"tasks/objectives/__init__.py"}
"""Tables, what sha256 pins, what says where to compute, and what only lets a killed training go on."""


def imports(path: Path) -> set[str]:
    """Every module a file imports, at its top or inside a function."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        if isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{name.name}" for name in node.names)}
    return found


@pytest.mark.parametrize("path", CODE, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_imports_point_one_way(path: Path) -> None:
    name = path.relative_to(REPOSITORY).as_posix()
    found = imports(path)
    for framework, allowed in ONLY_IN.items():
        if any(module.split(".")[0] == framework for module in found):
            assert allowed(name), f"{name} must not import {framework}"
    assert not any(module.split(".")[0] == "bench" for module in found), f"{name} must not know the bench"
    if name.startswith("tasks/"):
        assert not any(module.startswith("flows") for module in found)
    if name != "tasks/stages.py":
        own = f"tasks.{path.stem}"
        others = STAGE_FILES - {own}
        assert name.startswith("flows/") or not found & others, f"{name} imports a stage"


@pytest.mark.parametrize("stage", stages.STAGES)
def test_a_stage_is_one_function_in_its_own_file(stage: str) -> None:
    tree = ast.parse((REPOSITORY / "tasks" / f"{stage}.py").read_text())
    function = next(node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == stage)
    assert [argument.arg for argument in function.args.args] == ["params", "workspace"]
    assert ast.unparse(function.returns) == "Path"


def test_dvc_has_the_same_stages() -> None:
    assert tuple(read_yaml(REPOSITORY / "dvc.yaml")["stages"]) == stages.STAGES


def test_every_listed_dependency_and_parameter_exists(config: Config) -> None:
    content = read_yaml(REPOSITORY / "params.yaml")
    for stage in stages.STAGES:
        for key in config.trainings if stage == "finetune" else config.datasets:
            definition = definition_of(f"{stage}@{key}", read_yaml(REPOSITORY / "dvc.yaml"), content)
            for dependency in definition["deps"]:
                written_by_a_stage = dependency.startswith(f"data/{key.split('@')[0]}/") or "/prepared" in dependency
                assert (REPOSITORY / dependency).exists() or written_by_a_stage or "/features" in dependency, dependency
            for path in definition["params"]:
                value = content
                for step in path.split("."):
                    value = value[step]


def test_a_stage_lists_its_own_code() -> None:
    for stage, definition in read_yaml(REPOSITORY / "dvc.yaml")["stages"].items():
        assert f"tasks/{stage}.py" in definition["do"]["deps"]


def test_finetune_lists_all_that_decides_how_a_network_learns() -> None:
    listed = set(read_yaml(REPOSITORY / "dvc.yaml")["stages"]["finetune"]["do"]["deps"])
    reached = {path.relative_to(REPOSITORY).as_posix() for path in reached_from(REPOSITORY / "tasks" / "finetune.py")}
    neural = {name for name in reached if name.startswith(("tasks/neural/", "tasks/objectives/"))}
    assert neural > {"tasks/neural/training.py", "tasks/neural/strategies.py"}
    assert neural - listed == NO_RESULT


def test_stages_that_ask_a_modality_list_all_it_reads_by() -> None:
    own = f"tasks/modalities/{'${item.modality}'}.py"
    ways = {f"{module.__name__.replace('.', '/')}.py" for module in hearing.HEARING.values()}
    for stage, definition in read_yaml(REPOSITORY / "dvc.yaml")["stages"].items():
        listed = set(definition["do"]["deps"])
        assert own not in listed or ways | {"tasks/modalities/hearing.py"} <= listed, stage


def test_evaluate_lists_all_that_explains() -> None:
    listed = set(read_yaml(REPOSITORY / "dvc.yaml")["stages"]["evaluate"]["do"]["deps"])
    files = {path.relative_to(REPOSITORY).as_posix() for path in (REPOSITORY / "tasks" / "explaining").glob("*.py")}
    own = {f"tasks/explaining/{modality}.py" for modality in EXPLAINERS}
    assert files - own - {"tasks/explaining/__init__.py"} <= listed
    assert "tasks/explaining/${item.modality}.py" in listed and own <= files


def reached_from(path: Path) -> set[Path]:
    """Every file of tasks/ that importing `path` imports in turn."""
    found, waiting = set(), {path}
    while waiting:
        current = waiting.pop()
        found.add(current)
        files = {(REPOSITORY / name.replace(".", "/")).with_suffix(".py") for name in imports(current)}
        packages = {file.with_suffix("") / "__init__.py" for file in files}
        inside = (file for file in files | packages if file.exists() and (REPOSITORY / "tasks") in file.parents)
        waiting |= set(inside) - found
    return found


def test_each_table_entry_has_its_file() -> None:
    for table in (DECODERS, EXPLAINERS, MODALITIES, OBJECTIVES):
        for module in table.values():
            assert (REPOSITORY / f"{module.replace('.', '/')}.py").exists()


def test_nothing_heavy_is_imported_by_the_command_line() -> None:
    heavy = {"torch", "transformers", "mlflow", "prefect", "sklearn", "matplotlib", "pandas"}
    for name in ("flows/cli.py", "flows/running.py", "flows/plan.py", "flows/console.py", "tasks/config.py"):
        tree = ast.parse((REPOSITORY / name).read_text())
        top = {module for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom) for module in _names(node)}
        assert not {module.split(".")[0] for module in top} & heavy, name


def _names(node: ast.Import | ast.ImportFrom) -> list[str]:
    return [node.module or ""] if isinstance(node, ast.ImportFrom) else [name.name for name in node.names]
