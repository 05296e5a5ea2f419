"""Flags of a remote cell: ``--ranks``, ``--local``, ``--on``, typos; and ``%remote``."""

from __future__ import annotations

import pytest

from tests.conformance.page import Page


@pytest.mark.every_engine
def test_every_rank_runs_the_cell(page: Page) -> None:
    cell = page.good_remote(
        "import os\nprint(os.environ['RANK'], 'of', os.environ['WORLD_SIZE'])", "--ranks 2"
    )
    assert sorted(cell.stdout.splitlines()) == ["[0] 0 of 2", "[1] 1 of 2"]


def test_alike_output_is_shown_once(page: Page) -> None:
    cell = page.good_remote("print('the same')\ndisplay('too')\n'and this'", "--ranks 2")
    assert cell.stdout == "the same\n"
    assert [data["text/plain"] for data in cell.bundles] == ["'too'", "'and this'"]


def test_a_rank_knows_where_it_stands(page: Page) -> None:
    names = ["LOCAL_RANK", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"]
    cell = page.good_remote(
        f"import os\nplace = [os.environ[n] for n in {names}]\nplace", "--ranks 2"
    )
    assert cell.ok
    places = page.value("place")
    assert places.startswith("Ranks([['0', '2', ")
    assert "['1', '2', " in places


def test_names_of_ranks(page: Page) -> None:
    page.good_remote("import os\nmine = int(os.environ['RANK'])\nsame = 'same'", "--ranks 2")
    assert page.value("mine") == "Ranks([0, 1])"
    assert page.value("mine[1]") == "1"
    assert page.value("same") == "'same'"


def test_names_go_to_every_rank(page: Page) -> None:
    page.good("weights = [2, 3]")
    cell = page.good_remote("import os\nprint(weights[int(os.environ['RANK'])])", "--ranks 2")
    assert sorted(cell.stdout.splitlines()) == ["[0] 2", "[1] 3"]


def test_ranks_meet(page: Page) -> None:
    cell = page.good_remote(
        "import os, socket, time\nrank = int(os.environ['RANK'])\n"
        "where = (os.environ['MASTER_ADDR'], int(os.environ['MASTER_PORT']))\n"
        "if rank == 0:\n    server = socket.create_server(where)\n"
        "    talk, _ = server.accept()\n    got = talk.recv(10)\nelse:\n"
        "    while True:\n        try: talk = socket.create_connection(where)\n"
        "        except OSError: time.sleep(0.01); continue\n        break\n"
        "    talk.sendall(b'hello'); got = b'hello'\ntalk.close()\ngot",
        "--ranks 2",
    )
    assert cell.result == "b'hello'"


def test_ranks_that_fail_alike_raise_once(page: Page) -> None:
    cell = page.remote("1/0", "--ranks 2")
    assert cell.error == "ZeroDivisionError"
    assert cell.traceback.count("ZeroDivisionError: division by zero") == 1


def test_a_rank_that_fails_alone_is_named(page: Page) -> None:
    cell = page.remote(
        "import os\nif os.environ['RANK'] == '1': raise ValueError('alone')", "--ranks 2"
    )
    assert cell.error == "ValueError"
    assert "rank 1" in cell.stderr


def test_ranks_are_stopped_together(page: Page) -> None:
    page.good_remote("stays = 3", "--ranks 2")
    cell = page.stop_when(
        page.begin_remote("import time\nprint('@go')\ntime.sleep(600)", "--ranks 2")
    )
    assert cell.error == "KeyboardInterrupt", cell.describe()
    assert page.good_remote("stays", "--ranks 2").result == "3"


def test_only_rank_0_is_asked(page: Page) -> None:
    cell = page.remote(
        "import os\nif os.environ['RANK'] == '0': print('got', input('?'))",
        "--ranks 2",
        answers=["this"],
    )
    assert cell.ok, cell.describe()
    assert "got this" in cell.stdout


def test_gangs_of_other_shapes_have_workers_of_their_own(page: Page) -> None:
    default = page.good_remote("import os\nos.getpid()").result
    named = page.good_remote("import os\nos.getpid()", "--on named").result
    again = page.good_remote("os.getpid()").result
    assert default == again != named


@pytest.mark.every_engine
def test_local_runs_at_home(page: Page) -> None:
    page.good("import os\nat_home = os.getpid()")
    cell = page.run("%%remote --local\nimport os\nos.getpid() == at_home")
    assert cell.result == "True", cell.describe()
    failing = page.run("%%remote --local\nx = 1\n1/0")
    assert "----> 3 1/0" in failing.traceback
    magic = page.run("%%remote --local\n%%time\nprint('timed at home')")
    assert "timed at home" in magic.stdout


@pytest.mark.every_engine
def test_remote_on_a_line(page: Page) -> None:
    page.good("of_the_notebook = 20")
    cell = page.good("%remote of_the_notebook * 2 + 2")
    assert cell.result == "42"
    assert page.run("%remote 1/0").error == "ZeroDivisionError"
    assert page.good("%remote import os; os.getpid()").result != str(page.pid)


def test_remote_on_a_line_prints_its_help(page: Page) -> None:
    assert "--ranks" in page.good("%remote").stdout


def test_remote_on_a_line_inside_a_cell(page: Page) -> None:
    cell = page.good("for i in range(2):\n    %remote print('line')\nprint('end')")
    assert cell.stdout == "line\nline\nend\n"


def test_help_names_the_options(page: Page) -> None:
    text = page.good("%%remote --help\npass").stdout
    for option in ("--ranks", "--gpus", "--local", "--timeout", "--on"):
        assert option in text


@pytest.mark.parametrize(
    ("flags", "hint"),
    [
        ("--rank 2", "--ranks"),
        ("--timout 3", "--timeout"),
        ("--ranks two", "whole number"),
        ("--ranks 0", "at least 1"),
        ("--ranks", "needs a value"),
        ("--on a/b", "name"),
        ("stray", "stray"),
    ],
)
def test_a_typo_gets_the_nearest_option(page: Page, flags: str, hint: str) -> None:
    cell = page.remote("print('never')", flags)
    assert cell.error == "UsageError", cell.describe()
    assert hint in cell.message
    assert cell.stdout == ""


def test_what_cant_be_placed_fails_at_once(page: Page) -> None:
    cell = page.remote("1", "--gpus 4096")
    assert cell.error == "PlacementError", cell.describe()
    assert "4096 GPUs" in cell.message
    many = page.remote("1", "--ranks 5000")
    assert many.error == "PlacementError"


def test_a_dry_run_says_what_would_go_and_why(page: Page) -> None:
    page.good("dry_a = 'x' * 1000\ndef dry_f(): return dry_a")
    cell = page.good("%%remote --dry-run\nprint(dry_f())")
    assert "dry_f" in cell.stdout
    assert "dry_a" in cell.stdout
    assert "read by" in cell.stdout


def test_what_another_rank_alone_binds(page: Page) -> None:
    page.good("of_some = 1")
    page.good_remote(
        "import os\nof_all = of_some\nif os.environ['RANK'] == '1': of_some = 2", "--ranks 2"
    )
    assert page.value("of_some") == "Ranks([1, 2])"


def test_what_one_rank_could_not_take_is_sent_again(page: Page) -> None:
    page.good(
        "import os\nno_room = os.path.abspath('no_room')\nopen(no_room, 'w').close()\n"
        "class Large:\n    def __init__(self): self.path = no_room\n"
        "    def __setstate__(self, state):\n        import os\n"
        "        if os.environ.get('RANK') == '1' and os.path.exists(state['path']):\n"
        "            raise MemoryError('no room')\n        self.__dict__.update(state)\n"
        "large = Large()"
    )
    refused = page.remote("large; made_where_it_ran = 1", "--ranks 2")
    assert refused.error == "UsageError", refused.describe()
    assert "'large'" in refused.message
    page.good("os.remove(no_room)")
    assert page.good_remote("print(type(large).__name__)", "--ranks 2").stdout == "Large\n"


def test_a_name_that_only_some_ranks_have(page: Page) -> None:
    page.good_remote(
        "import os\nif os.environ['RANK'] == '0': losses = [1, 2]\n"
        "if os.environ['RANK'] != '1': apart = os.environ['RANK']\n"
        "if os.environ['RANK'] != '0': stuck = (each for each in 'ab')",
        "--ranks 3 --on some",
    )
    assert page.value("losses") == "[1, 2]"
    assert page.value("apart") == "Ranks(['0', <rank 1 has none>, '2'])"
    assert "RemoteValue" in page.value("type(stuck).__name__")
    assert page.good_remote("losses").result == "[1, 2]"
    page.good("losses.append(3)")
    assert page.good_remote("losses", "--ranks 3 --on some").result == "[1, 2, 3]"


def test_a_name_is_gone_when_no_rank_has_it(page: Page) -> None:
    page.good("import os\nshed, tool = [7], [8]")
    page.good_remote("shed, tool", "--ranks 2")
    page.good_remote("if os.environ['RANK'] == '0': del shed, tool", "--ranks 2")
    page.good_remote("if os.environ['RANK'] == '1': del shed", "--ranks 2")
    assert page.value("tool") == "[8]"
    assert page.run("shed").error == "NameError"
