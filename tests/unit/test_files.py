"""Copying files and folders: what arrives is what was sent, or nothing is changed."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from farcell_runtime.errors import UsageError
from farcell_runtime.transport import farcell_pb2 as pb
from farcell_runtime.transport.files import Sink, Source


def copy(source: Path | str, destination: Path | str) -> Path:
    """Copy as a transfer does; the answer is where it has come to."""
    reader = Source(str(source))
    sink = Sink(str(destination), os.path.basename(reader.path), folder=reader.folder)
    try:
        while (part := reader.next()).kind != "end":
            sink.take(pb.FilePart.FromString(part.SerializeToString()))
        sink.commit()
    except BaseException:
        reader.close()
        sink.abort()
        raise
    return Path(sink.path)


def tree(path: Path) -> dict[str, object]:
    """What is in a folder: text of files and targets of links, with modes."""
    found: dict[str, object] = {}
    for each in sorted(path.rglob("*")):
        name = str(each.relative_to(path))
        if each.is_symlink():
            found[name] = "-> " + os.readlink(each)
        elif each.is_dir():
            found[name] = oct(each.stat().st_mode & 0o777)
        else:
            found[name] = (each.read_bytes(), oct(each.stat().st_mode & 0o777))
    return found


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a bit of everything."""
    root = tmp_path / "söurce"
    (root / "a/b").mkdir(parents=True)
    (root / "empty").mkdir()
    (root / "a/naïve 名.txt").write_text("text")
    (root / "a/b/run").write_bytes(b"#!")
    (root / "a/b/run").chmod(0o755)
    (root / "a/b/none").write_bytes(b"")
    (root / os.fsdecode(b"no\xffunicode")).write_bytes(b"bytes")
    (root / "a/b/up").symlink_to("../naïve 名.txt")
    (root / "to-folder").symlink_to("a/b")
    (root / "dangling").symlink_to("nowhere")
    (root / "large").write_bytes(os.urandom(3 << 20) + b"end")
    (root / "a").chmod(0o750)
    return root


def test_a_folder_arrives_as_it_is(folder: Path, tmp_path: Path) -> None:
    copied = copy(folder, tmp_path / "new/place")
    assert copied == tmp_path / "new/place"
    assert tree(copied) == tree(folder)
    assert sorted(each.name for each in (tmp_path / "new").iterdir()) == ["place"]


def test_a_folder_that_nobody_may_write_to(folder: Path, tmp_path: Path) -> None:
    for each in ("a/b", "a", ""):
        (folder / each).chmod(0o555)
    copied = copy(folder, tmp_path / "there")
    try:
        assert tree(copied) == tree(folder)
        assert copied.stat().st_mode & 0o777 == 0o555
    finally:
        for root in (folder, copied):
            for each in ("", "a", "a/b"):
                (root / each).chmod(0o755)


def test_no_mode_beyond_permissions(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("")
    (tmp_path / "run").chmod(0o4755)
    assert copy(tmp_path / "run", tmp_path / "copy").stat().st_mode & 0o7777 == 0o755


@pytest.mark.parametrize(
    ("destination", "landed"),
    [("new", "new"), ("there", "there/file"), ("new/", "new/file"), ("old", "old")],
)
def test_where_a_file_goes(tmp_path: Path, destination: str, landed: str) -> None:
    (tmp_path / "file").write_text("new")
    (tmp_path / "old").write_text("old")
    (tmp_path / "there").mkdir()
    assert copy(tmp_path / "file", f"{tmp_path}/{destination}") == tmp_path / landed
    assert (tmp_path / landed).read_text() == "new"


def test_a_path_from_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("x")
    assert copy("~/file", "~/other") == tmp_path / "other"
    assert copy("file", "third") == tmp_path / "third"


def test_a_link_is_written_through(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("new")
    (tmp_path / "old").write_text("old")
    (tmp_path / "link").symlink_to("old")
    copy(tmp_path / "file", tmp_path / "link")
    assert ((tmp_path / "link").is_symlink(), (tmp_path / "old").read_text()) == (True, "new")


def test_a_folder_is_merged_into_one_that_is_there(folder: Path, tmp_path: Path) -> None:
    there = tmp_path / "there"
    (there / "a").mkdir(parents=True)
    (there / "a").chmod(0o700)
    (there / "a/naïve 名.txt").write_text("old")
    (there / "a/own").write_text("stays")
    (there / "to-folder").symlink_to("elsewhere")
    copy(folder, there)
    assert (there / "a/own").read_text() == "stays"
    (there / "a/own").unlink()
    assert (there / "a").stat().st_mode & 0o777 == 0o700  # its owner's choice
    (there / "a").chmod(0o750)
    assert tree(there) == tree(folder)
    copy(folder, f"{there}/")
    assert tree(there / folder.name) == tree(folder)


LINKS: dict[str, bool] = {
    "file": True, "sub/../file": False, "../file": False, "/etc": False, "sub": True,
    "./file": True, "..": False, ".": True, "sub/self/../../x": False,
}  # fmt: skip


@pytest.mark.parametrize(("target", "stays"), LINKS.items(), ids=LINKS)
def test_links_stay_within(tmp_path: Path, target: str, stays: bool) -> None:
    root = tmp_path / "root"
    (root / "sub").mkdir(parents=True)
    (root / "file").write_text("")
    (root / "link").symlink_to(target)
    if stays:
        assert os.readlink(copy(root, tmp_path / "copy") / "link") == target
        return
    with pytest.raises(UsageError, match="leads out of the folder"):
        copy(root, tmp_path / "copy")
    assert [each.name for each in tmp_path.iterdir()] == ["root"]


@pytest.mark.parametrize("target", ["../file", "../../root/file", "../../file"])
def test_links_that_go_up(tmp_path: Path, target: str) -> None:
    root = tmp_path / "root"
    (root / "sub").mkdir(parents=True)
    (root / "sub/link").symlink_to(target)
    if target == "../file":
        copy(root, tmp_path / "copy")
    else:
        with pytest.raises(UsageError, match="leads out"):
            copy(root, tmp_path / "copy")


def listener(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as opened:
        opened.bind(str(path))


@pytest.mark.parametrize("make", [os.mkfifo, listener], ids=["fifo", "socket"])
def test_what_is_no_file(tmp_path: Path, make: Callable[[Path], None]) -> None:
    (tmp_path / "root").mkdir()
    make(tmp_path / "root/odd")
    for source in ("root/odd", "root"):
        with pytest.raises(UsageError, match=r"odd is neither a file nor a folder"):
            copy(tmp_path / source, tmp_path / "copy")
    assert [each.name for each in tmp_path.iterdir()] == ["root"]


def test_a_file_that_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match="no file or folder") as caught:
        Source("nowhere")
    assert str(tmp_path / "nowhere") in caught.value.message
    assert str(tmp_path) in caught.value.hint


def test_a_file_where_a_folder_is_needed(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("old")
    with pytest.raises(UsageError, match="no folder"):
        copy(folder, tmp_path / "file/below")
    with pytest.raises(UsageError, match="no folder"):
        copy(folder, tmp_path / "file")
    (tmp_path / "there/large").mkdir(parents=True)
    with pytest.raises(UsageError, match="large is a folder"):
        copy(folder, tmp_path / "there")
    assert [each.name for each in (tmp_path / "there").iterdir()] == ["large"]
    assert (tmp_path / "file").read_text() == "old"


def test_what_is_not_finished_leaves_nothing(folder: Path, tmp_path: Path) -> None:
    source = Source(str(folder))
    sink = Sink(f"{tmp_path}/made/for/it", "it", folder=True)
    for _ in range(5):
        sink.take(source.next())
    assert (tmp_path / "made/for").exists()
    sink.abort()
    assert not (tmp_path / "made").exists()


HOSTILE = {
    "absolute": [pb.FilePart(kind="file", path=b"/tmp/hostile")],
    "up": [pb.FilePart(kind="file", path=b"../hostile")],
    "further up": [pb.FilePart(kind="folder", path=b"a"), pb.FilePart(kind="file", path=b"a/..")],
    "unannounced": [pb.FilePart(kind="file", path=b"a/b")],
    "through a link": [
        pb.FilePart(kind="link", path=b"a", target=b"."),
        pb.FilePart(kind="file", path=b"a/b"),
    ],
    "a link out": [pb.FilePart(kind="link", path=b"a", target=b"/tmp")],
    "a link as the root": [pb.FilePart(kind="link", path=b"", target=b"there")],
    "data of no file": [pb.FilePart(kind="folder", path=b"a"), pb.FilePart(kind="data")],
    "twice": [pb.FilePart(kind="folder", path=b"a"), pb.FilePart(kind="file", path=b"a")],
}


@pytest.mark.parametrize("parts", HOSTILE.values(), ids=HOSTILE)
def test_what_does_not_belong_is_refused(tmp_path: Path, parts: list[pb.FilePart]) -> None:
    sink = Sink(f"{tmp_path}/there", "x", folder=True)
    if parts[0].path:
        sink.take(pb.FilePart(kind="folder", mode=0o755))
    *earlier, last = parts
    for part in earlier:
        sink.take(part)
    with pytest.raises(UsageError):
        sink.take(last)
    sink.abort()
    assert list(tmp_path.iterdir()) == []
