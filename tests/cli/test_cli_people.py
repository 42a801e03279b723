"""`enroll`, `people` and `recognise` as a person uses them: words, exit codes, files; strangers stay hidden."""

from __future__ import annotations

import json
import os
import stat
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from support.weights import weights

from streamer.__main__ import command
from streamer.drawn.faces import draw_face
from streamer.people.content import Content
from streamer.people.store import KEY_VARIABLE, GalleryFile

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    """Runs the command line with a data folder of its own; gives exit code, stdout and stderr."""
    weights("yunet"), weights("sface")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.delenv(KEY_VARIABLE, raising=False)

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["streamer", *map(str, arguments)])
        code = command()
        out, err = capsys.readouterr()
        return code, out, err

    return run


def drawn(path: Path, seed: int, *, px: int = 160, faces: int = 1) -> Path:
    """A picture of drawn faces on a plain wall."""
    bgr = np.full((400, 480 * faces, 3), (150, 160, 165), np.uint8)
    for number in range(faces):
        patch, alpha = draw_face(px, seed=seed + number)
        y, x = (400 - patch.shape[0]) // 2, 480 * number + (480 - patch.shape[1]) // 2
        part = bgr[y : y + patch.shape[0], x : x + patch.shape[1]]
        part[:] = (patch * alpha[..., None] + part * (1.0 - alpha[..., None])).astype(np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), bgr)
    return path


def gallery(tmp_path: Path) -> Path:
    return tmp_path / "data" / "streamer" / "people.gallery"


def first_vector(path: Path) -> NDArray[np.float32]:
    content = GalleryFile(path).load()
    assert content is not None
    return np.asarray(content.gallery.vectors[0], np.float32)


@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_a_turned_picture_is_enrolled_as_the_face_that_it_shows(run: Run, tmp_path: Path, quarters: int) -> None:
    upright = drawn(tmp_path / "upright.png", 3)
    turned = tmp_path / "turned.png"
    assert cv2.imwrite(str(turned), np.rot90(np.asarray(cv2.imread(str(upright)), np.uint8), quarters))
    vectors = []
    for path in (upright, turned):
        kept = tmp_path / f"{path.stem}.gallery"
        code, _, err = run("enroll", "Ann", path, "--gallery", kept)
        assert code == 0, err
        vectors.append(first_vector(kept))
    assert float(vectors[0] @ vectors[1]) > 0.8


def test_one_person_from_pictures_to_oblivion(run: Run, tmp_path: Path) -> None:
    ann = drawn(tmp_path / "ann.png", 3)
    code, out, err = run("enroll", "Zoë", ann, "--consent", "signed", "--expires", "90d")
    assert (code, out) == (0, "Zoë: 1 taken\n"), err
    assert stat.S_IMODE(gallery(tmp_path).stat().st_mode) == 0o600
    code, out, _ = run("people", "list")
    assert code == 0
    assert "Zoë: 1 pictures, added" in out
    assert "1 enrolled in" in out
    code, out, _ = run("people", "show", "Zoë")
    assert "signed" in out
    code, out, _ = run("recognise", ann)
    assert code == 0
    assert "1  Zoë, similarity" in out
    assert run("people", "rename", "Zoë", "Ann")[0] == 0
    vector = first_vector(gallery(tmp_path)).tobytes()
    assert vector in gallery(tmp_path).read_bytes()
    code, out, _ = run("people", "remove", "Ann")
    assert code == 0
    assert vector not in gallery(tmp_path).read_bytes()
    assert b"Ann" not in gallery(tmp_path).read_bytes()
    assert run("people", "remove", "Ann")[0] == 2


def test_no_vector_is_ever_printed(run: Run, tmp_path: Path) -> None:
    run("enroll", "Ann", drawn(tmp_path / "ann.png", 3))
    vector = first_vector(gallery(tmp_path))
    words = ""
    verbs: list[list[object]] = [["list"], ["list", "--json"], ["show", "Ann"], ["show", "Ann", "--json"]]
    for arguments in [*verbs, ["export", tmp_path / "x.npz"]]:
        words += "".join(map(str, run("people", *arguments)))
    assert not any(f"{value:.4f}" in words for value in vector if abs(value) > 0.01)


def test_refusals_are_explained_and_the_rest_goes_on(run: Run, tmp_path: Path) -> None:
    good, two, small = (
        drawn(tmp_path / "good.png", 3),
        drawn(tmp_path / "two.png", 5, faces=2),
        drawn(tmp_path / "small.png", 3, px=36),
    )
    (tmp_path / "broken.jpg").write_bytes(b"no picture")
    code, out, err = run("enroll", "Ann", good, two, small, tmp_path / "broken.jpg", tmp_path / "none.jpg")
    assert code == 1
    assert out == "Ann: 1 taken, 4 refused\n"
    assert "two.png: shows 2 faces" in err
    assert "small.png: " in err
    assert "broken.jpg" in err
    assert "none.jpg does not exist" in err
    assert all(line.startswith("streamer: error: ") or "enrolled in" in line for line in err.splitlines())
    assert run("enroll", "Ann", good)[:2] == (0, "Ann: 1 known\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["enroll"], "name one person"),
        (["enroll", "Ann"], "name pictures of Ann"),
        (["enroll", "Ann", "x.jpg", "--folder", "."], "name one person"),
        (["enroll", "a/b", "x.jpg"], "would be a path"),
        (["enroll", "Ann", "x.jpg", "--expires", "soon"], "write a day"),
        (["enroll", "Ann", "x.jpg", "--expires", "2001-01-01"], "is over"),
        (["enroll", "--roster", "none.csv"], "cannot be read"),
        (["enroll", "--folder", "none"], "is no folder"),
        (["people", "show", "Ann"], "nobody is enrolled"),
        (["people", "remove"], "name who is to be forgotten"),
        (["people", "remove", "--expired"], "nobody is enrolled"),
        (["people", "encrypt"], "name a file with the key"),
        (["recognise", "demo"], "nobody is enrolled"),
    ],
)
def test_wrong_usage(run: Run, arguments: list[str], message: str) -> None:
    code, out, err = run(*arguments)
    assert (code, out) == (2, "")
    assert message in err
    assert len(err.splitlines()) == 1


def test_remedies_name_the_gallery_that_was_meant(run: Run, tmp_path: Path) -> None:
    """Without it, they would change the default one."""
    own = tmp_path / "our staff.gallery"
    remedy = f"--gallery '{own}'"
    file = GalleryFile(own)
    file.update("m", lambda content: content.added("Ann", np.eye(1, dtype=np.float32), now=0.0, expires=1.0))
    assert f"streamer people remove --expired {remedy}" in run("people", "list", "--gallery", own)[1]
    assert run("people", "remove", "Ann", "--gallery", own)[0] == 0
    assert f"streamer enroll NAME IMAGE {remedy}" in run("recognise", "demo", "--gallery", own)[2]
    absent = tmp_path / "absent.gallery"
    code, _, err = run("run", "demo", "-o", "null", "--duration", 0.2, "--who", "unknown", "--gallery", absent)
    assert (code, "streamer enroll NAME IMAGE --gallery " in err) == (2, True)


def test_whose_time_is_over_is_forgotten_when_somebody_says_so(run: Run, tmp_path: Path) -> None:
    remedy = "expired: Ann, Ben; forget them with: streamer people remove --expired"
    file = GalleryFile(gallery(tmp_path))
    for index, (name, end) in enumerate({"Ann": time.time() - 1, "Ben": time.time() - 1, "Cem": None}.items()):
        row = np.eye(3, dtype=np.float32)[index : index + 1]
        file.update("m", partial(Content.added, name=name, vectors=row, now=0.0, expires=end))
    assert remedy in run("people", "list")[1]
    assert remedy in run("people", "rename", "Cem", "Dan")[1]
    code, out, _ = run("people", "remove", "--expired")
    assert (code, out.splitlines()) == (0, [f"removed Ann, Ben; 1 left in {gallery(tmp_path)}"])
    assert b"Ann" not in gallery(tmp_path).read_bytes()
    assert run("people", "remove", "--expired")[1].startswith("removed nobody; 1 left")
    assert "expired" not in run("people", "list")[1]


def test_a_damaged_gallery_is_told_before_anything_is_done(run: Run, tmp_path: Path) -> None:
    gallery(tmp_path).parent.mkdir(parents=True)
    gallery(tmp_path).write_bytes(b"damaged")
    for arguments in (
        ["enroll", "Ann", drawn(tmp_path / "a.png", 3)],
        ["people", "list"],
        ["recognise", tmp_path / "a.png"],
    ):
        code, _, err = run(*arguments)
        assert code == 2
        assert "it was left as it is" in err
    assert gallery(tmp_path).read_bytes() == b"damaged"


def test_encrypted(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("cryptography")
    key = tmp_path / "key"
    key.write_text("a key that is long enough\n")
    run("enroll", "Ann", drawn(tmp_path / "a.png", 3))
    assert run("people", "encrypt", "--key-file", key)[0] == 0
    assert b"Ann" not in gallery(tmp_path).read_bytes()
    code, _, err = run("people", "list")
    assert (code, "is encrypted" in err) == (2, True)
    assert "Ann" in run("people", "list", "--key-file", key)[1]
    monkeypatch.setenv(KEY_VARIABLE, "a key that is long enough")
    assert "Ann" in run("people", "list")[1]
    monkeypatch.setenv(KEY_VARIABLE, "another key, just as long")
    code, _, err = run("people", "list")
    assert (code, "does not fit" in err, "another key" in err) == (2, True, False)


def test_export_and_import(run: Run, tmp_path: Path) -> None:
    run("enroll", "Ann", drawn(tmp_path / "a.png", 3))
    assert run("people", "export", tmp_path / "x.npz")[0] == 0
    run("people", "remove", "Ann")
    code, out, _ = run("people", "import", tmp_path / "x.npz")
    assert (code, "Ann" in out) == (0, True)
    table: Any = {"Ben": np.ones(128)}
    np.save(tmp_path / "known.npy", table, allow_pickle=True)
    code, _, err = run("people", "import", tmp_path / "known.npy")
    assert (code, "--model" in err) == (2, True)
    model = json.loads(run("people", "list", "--json")[1])["model"]
    assert run("people", "import", tmp_path / "known.npy", "--model", model)[0] == 0


def test_a_folder_and_a_list_of_people(run: Run, tmp_path: Path, media: Path) -> None:
    """Six people of a mosaic of clips; a list with rows that lead nowhere."""
    folder = media / "media/video_mosaic/enrol"
    code, out, err = run("enroll", "--folder", folder)
    assert code == 0, err
    assert len(json.loads(run("people", "list", "--json")[1])["people"]) == 6
    rows = [
        "name,url",
        "d3_woman," + str(folder / "d3_woman" / "0.jpg"),
        "Ben,http://127.0.0.1:9/x.jpg",
        "Cem,none.jpg",
    ]
    (tmp_path / "list.csv").write_text("\n".join([*rows, f"Impostor,{folder / 'auduno' / '0.jpg'}"]))
    code, out, err = run("enroll", "--roster", tmp_path / "list.csv")
    assert code == 1
    assert "d3_woman: 1 known" in out
    assert "row 3 (http://127.0.0.1:9/x.jpg): cannot be fetched" in err
    assert "row 4 (none.jpg)" in err
    assert "row 5" in err
    assert "looks like auduno, who is enrolled already" in err
    assert len(json.loads(run("people", "list", "--json")[1])["people"]) == 6


def test_a_video_enrols_and_is_recognised_in_another_take(run: Run, tmp_path: Path, media: Path) -> None:
    videos = media / "media/video"
    code, out, err = run("enroll", "Auduno", videos / "webcam_auduno_cap12_300p.mp4")
    assert code == 0, err
    code, out, _ = run(
        "recognise", videos / "webcam_auduno_cap13_300p.mp4", "--every-s", "2", "--json", tmp_path / "r.json"
    )
    assert code == 0
    pictures = json.loads((tmp_path / "r.json").read_text())["pictures"]
    names = [face["name"] for picture in pictures for face in picture["faces"]]
    assert names.count("Auduno") >= 0.9 * len(names) > 9
    code, out, _ = run("recognise", videos / "webcam_pyfeat_man_360p.mp4")
    assert "Auduno" not in out


def looks_alike(a: NDArray[Any], b: NDArray[Any]) -> float:
    return float(np.corrcoef(a.reshape(-1).astype(float), b.reshape(-1).astype(float))[0, 1])


def test_the_montage_hides_whoever_is_not_enrolled(run: Run, tmp_path: Path, media: Path) -> None:
    """Group pictures of a cast: one of them is enrolled and, where recognised, seen; all others are hidden."""
    cast, groups = media / "media/identities/bbt_cast", media / "media/identities/bbt_group"
    run("enroll", "Raj", cast / "raj", "--keep-crops")
    code, _, err = run("recognise", groups / "bbt3.jpg", "--montage", tmp_path / "m.png", "--json", tmp_path / "r.json")
    assert code == 0, err
    faces = json.loads((tmp_path / "r.json").read_text())["pictures"][0]["faces"]
    assert [face["name"] for face in faces].count("Raj") == 1
    assert all(face["similarity"] is None for face in faces if face["name"] is None)
    before, after = cv2.imread(str(groups / "bbt3.jpg")), cv2.imread(str(tmp_path / "m.png"))
    assert before is not None
    assert after is not None
    for face in faces:
        x0, y0, x1, y1 = (round(v) for v in face["box"])
        inner = slice(y0 + (y1 - y0) // 3, y1 - 4), slice(x0 + 4, x1 - 4)
        alike = looks_alike(before[inner], after[inner])
        assert alike > 0.99 if face["name"] else alike < 0.9, face
    code, _, err = run("recognise", groups / "bbt3.jpg", "--montage", tmp_path / "m.png")
    assert (code, "--force" in err) == (2, True)
    side = after[:, before.shape[1] :]
    run("people", "remove", "Raj")
    run("enroll", "Raj", cast / "raj")
    run("recognise", groups / "bbt3.jpg", "--montage", tmp_path / "none.png")
    bare = cv2.imread(str(tmp_path / "none.png"))
    assert bare is not None
    assert (side != bare[:, before.shape[1] :]).any(axis=2).sum() > 128 * 128 / 2  # the kept face


def test_nothing_that_a_terminal_would_obey_is_printed(run: Run, tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text('name,image\n"\x1b[2JAnn",a.png\nBen,\x1b]0;x\x07b.png\n"C\u202earl",c.png\n')
    code, out, err = run("enroll", "--roster", tmp_path / "list.csv")
    assert code == 1
    assert not set("\x1b\x07\u202e") & set(out + err)
    assert "\\x1b[2JAnn: 1 refused" in out
    odd = drawn(tmp_path / "ok.png", 3).rename(os.fsdecode(os.fsencode(tmp_path) + b"/\x1b[31m\xff.png"))
    assert run("enroll", "Ann", odd)[0] == 0
    code, out, err = run("recognise", odd, "--json", tmp_path / "who.json")
    assert code == 0
    assert "\x1b" not in out + err
    assert "1  Ann" in out
    assert stat.S_IMODE((tmp_path / "who.json").stat().st_mode) == 0o600


def test_a_gallery_from_elsewhere_gives_a_terminal_nothing_to_obey(run: Run, tmp_path: Path) -> None:
    """Its names were checked by nobody here, and a text on consent may hold anything."""
    path = tmp_path / "theirs.gallery"
    odd = "Eve\x1b]0;x\x07\n\x9b31m\u202e"
    GalleryFile(path).update(
        "m", lambda content: content.added(odd, np.ones((1, 1), np.float32), now=0.0, expires=1.0, consent=odd)
    )
    for arguments in ([], ["--json"]):
        code, out, err = run("people", "list", "--gallery", path, *arguments)
        assert code == 0
        assert not set("\x1b\x07\x9b\u202e") & set(out + err)
        assert not arguments or json.loads(out)["people"][0]["name"] == odd
    assert out.count("\n") < 20
    assert run("people", "list", "--gallery", path)[1].count("\n") == 3, "one line each: who, how many, the remedy"


@pytest.mark.parametrize("span", ["0d", "9999999d", "999999999999999y"])
def test_ends_that_no_calendar_has(run: Run, tmp_path: Path, span: str) -> None:
    code, out, err = run("enroll", "Ann", "x.png", "--expires", span)
    assert (code, out) == (2, "")
    assert "up to 100 years" in err
    GalleryFile(gallery(tmp_path)).update(
        "m", lambda content: content.added("Ann", np.ones((1, 1), np.float32), now=0.0, expires=1e300)
    )
    assert "expires on no day of the calendar" in run("people", "list")[1]


def test_encrypting_twice_says_so(run: Run, tmp_path: Path) -> None:
    run("enroll", "Ann", drawn(tmp_path / "ann.png", 3))
    (tmp_path / "key").write_text("a long enough key")
    assert run("people", "encrypt", "--key-file", tmp_path / "key")[0] == 0
    code, _, err = run("people", "encrypt", "--key-file", tmp_path / "key")
    assert code == 2
    assert "is encrypted already" in err


def test_attendance_of_several_videos_is_refused_before_the_first(run: Run, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for name in ("a.mp4", "b.mp4"):
        (tmp_path / "in" / name).write_bytes(b"no video")
    arguments = ["--who", "unknown", "--attendance", tmp_path / "who.csv", "-o", tmp_path / "out"]
    code, _, err = run("run", tmp_path / "in", *arguments)
    assert code == 2
    assert "give one at a time" in err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--json", "group.png"], "ending in .json"),
        (["--json", "folder.json"], "is a folder"),
        (["--json", "none/who.json"], "does not exist"),
        (["--montage", "group.png", "--force"], "is the input itself"),
        (["--montage", "other.png"], "exists"),
        (["--montage", "link.png", "--force"], "is the input itself"),
        (["--montage", "named.mp4"], "name a picture"),
        (["--montage", "none/named.png"], "does not exist"),
    ],
)
def test_recognise_overwrites_nothing(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    group, other = drawn(tmp_path / "group.png", 3), drawn(tmp_path / "other.png", 5)
    (tmp_path / "folder.json").mkdir()
    (tmp_path / "link.png").symlink_to("group.png")
    run("enroll", "Ann", group)
    before = group.read_bytes(), other.read_bytes(), sorted(tmp_path.iterdir())
    code, out, err = run("recognise", "group.png", *arguments)
    assert (code, out) == (2, "")
    assert message in err
    assert (group.read_bytes(), other.read_bytes(), sorted(tmp_path.iterdir())) == before
