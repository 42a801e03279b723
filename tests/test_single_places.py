"""The few things that may stand in one place only. Found by reading the source."""

from __future__ import annotations

import ast
import re

import pytest
from support.source import MODULES, TREES, called, imports

_SLOW_TO_IMPORT = {"av", "onnx", "onnxruntime", "torch", "insightface", "dlib", "pyvirtualcam", "facenet_pytorch"}
_LOADED_WHOLE = {"", "__main__", "cli", "evaluate", "api", "enrolment", "pipeline", "config"}


@pytest.mark.parametrize("module", sorted(name for name in MODULES if name.split(".")[0] not in _LOADED_WHOLE))
def test_heavy_libraries_are_imported_where_they_are_used(module: str) -> None:
    """So that choosing one part never needs another one's library, and the program starts at once."""
    for node in TREES[module].body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            assert not {name.split(".")[0] for name in imports(node)} & _SLOW_TO_IMPORT


def test_anonymized_frames_are_made_in_two_files_only() -> None:
    makers = {module for module, tree in TREES.items() if "AnonymizedFrame" in called(tree)}
    assert makers == {"anonymize.frame", "anonymize.gate"}


def test_raw_pictures_are_not_shown_or_written_outside_sinks() -> None:
    writers = {"imshow", "imwrite", "imencode", "VideoWriter", "imsave", "tofile"}
    found = {module for module, tree in TREES.items() if called(tree) & writers}
    # Evaluation lays originals beside results, for whoever measures on test media; no stream runs through it.
    assert {module for module in found if module.split(".")[0] not in ("sinks", "evaluate")} == set()


def test_pictures_are_decoded_in_one_file() -> None:
    """Where what they announce is judged first."""
    readers = {"imread", "imreadmulti", "imdecode", "imdecodemulti", "imreadanimation", "imdecodeanimation"}
    assert {module for module, tree in TREES.items() if called(tree) & readers} == {"core.decoding"}


def test_nothing_is_unpickled_or_loaded_by_numpy() -> None:
    found = {
        (module, ast.unparse(node.func))
        for module, tree in TREES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
    }
    loaders = ("pickle.", "np.load", "np.lib.format.read", "np.fromfile", "yaml.load", "yaml.unsafe", "marshal.")
    assert {(module, name) for module, name in found if name.startswith(loaders)} == set()


def test_files_are_made_in_one_place() -> None:
    """What is written otherwise follows links that somebody planted, or is seen half-written."""
    makers = {"write_text", "write_bytes", "touch", "mkstemp", "NamedTemporaryFile", "FileIO", "savez", "save", "dump"}
    found = {(module, name) for module, tree in TREES.items() for name in called(tree) & makers}
    # Numbers may be asked for on /dev/stdout or a pipe, which nothing can take the place of.
    assert found == {("core.files", "FileIO"), ("cli.evaluate_options", "write_bytes")}
    opened = {
        (module, ast.unparse(node))
        for module, tree in TREES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and getattr(node.func, "attr", getattr(node.func, "id", "")) == "open"
    }
    writing = {(module, text) for module, text in opened if re.search(r"['\"][wax]b?\+?['\"]|O_CREAT|O_TRUNC", text)}
    # The sink writes through a file of `core.files`, evaluation into folders of its own that go away, an archive into
    # memory.
    assert {module for module, _ in writing} == {
        "core.files",
        "evaluate._loop",
        "evaluate.gpu",
        "people.container",
        "sinks._video_file",
    }


def test_no_raw_picture_waits_in_a_temporary_file() -> None:
    """A program that is killed leaves its temporary files behind. Evaluation works on test media."""
    makers = {"TemporaryDirectory", "TemporaryFile", "SpooledTemporaryFile", "mkdtemp"}
    found = {module for module, tree in TREES.items() if called(tree) & makers}
    assert {module for module in found if not module.startswith(("evaluate.", "cli.evaluate"))} == set()


def test_no_port_is_opened() -> None:
    """What listens has to be guarded, and nothing does yet."""
    listeners = {"bind", "listen", "create_server", "start_server", "serve_forever", "HTTPServer", "TCPServer"}
    assert {module for module, tree in TREES.items() if called(tree) & listeners} == set()


def test_models_come_from_the_store_only() -> None:
    """Put together elsewhere, a context forgets the device, or which licences were accepted."""
    makers = {
        module
        for module, tree in TREES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and getattr(node.func, "id", "") == "Context"
        and any(word.arg == "model" for word in node.keywords)
    }
    assert makers == {"inference.models.store"}


def test_threads_and_processes_start_in_one_place() -> None:
    starters = {"Thread", "Timer", "ThreadPoolExecutor", "ProcessPoolExecutor", "Process", "start_new_thread", "fork"}
    assert {module for module, tree in TREES.items() if called(tree) & starters} == {"core.workers"}


def test_only_the_command_line_prints() -> None:
    printing = {module for module, tree in TREES.items() if "print" in called(tree)}
    # A measurement is run by hand; its output is its result.
    assert {module for module in printing if module.split(".")[0] not in ("cli", "evaluate")} == set()


@pytest.mark.parametrize("module", sorted(MODULES))
def test_modules_hold_one_idea(module: str) -> None:
    assert len(MODULES[module].read_text(encoding="utf-8").splitlines()) <= 350


@pytest.mark.parametrize("module", sorted(MODULES))
def test_functions_fit_on_a_screen(module: str) -> None:
    functions = [node for node in ast.walk(TREES[module]) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    assert not [one.name for one in functions if (one.end_lineno or one.lineno) - one.lineno >= 50]
