"""Magics of a remote cell beyond those that `cells` compares, and ``%cluster``."""

from __future__ import annotations

import pytest

from tests.conformance.page import Page, rendered


def test_pip_is_the_workers(page: Page) -> None:
    assert page.good_remote("%pip --version").stdout.startswith("pip ")


def test_cd_holds_in_the_notebook_too(page: Page) -> None:
    page.good_remote("import os\nos.makedirs('below', exist_ok=True)\n%cd below")
    assert page.value("__import__('os').path.basename(__import__('os').getcwd())") == "'below'"
    page.good("%cd ..")
    cell = page.good_remote("import os\nos.getcwd()")
    assert cell.result == repr(str(page.folder))


def test_env_holds_in_the_notebook_too(page: Page) -> None:
    page.good_remote("%env SET_THERE=there")
    assert page.value("__import__('os').environ['SET_THERE']") == "'there'"
    page.good("%env SET_THERE=here")
    assert rendered(page.good_remote("!echo $SET_THERE").stdout) == "here\n"


def test_a_question_mark_opens_the_pager(page: Page) -> None:
    cell = page.good_remote("len?")
    assert cell.reply is not None
    [payload] = cell.reply["payload"]
    assert payload["source"] == "page"
    assert "number of items" in payload["data"]["text/plain"]


def test_load_ext_in_a_remote_cell(page: Page) -> None:
    page.good_remote("%load_ext autoreload\n%autoreload 0")


def test_the_history_is_the_notebooks(page: Page) -> None:
    page.good_remote("first_in_history = 1")
    assert "first_in_history" in page.good("In[-2]").result  # type: ignore[operator]


def test_an_extension_of_its_own_magics_stays(page: Page) -> None:
    page.good_remote(
        "from IPython.core.magic import register_cell_magic\n@register_cell_magic\n"
        "def shout(line, cell): return cell.strip().upper()"
    )
    assert page.good_remote("%%shout\nhey").result == "'HEY'"


@pytest.mark.every_engine
def test_cluster_status(page: Page) -> None:
    page.good_remote("1")
    text = page.good("%cluster status").stdout
    assert "stops itself 30 min after its notebook is gone" in text
    assert "gang default: ready" in text
    assert page.good("%cluster").stdout.startswith("farcell ")


def test_cluster_logs(page: Page) -> None:
    page.good_remote("print('kept in the log')")
    assert "kept in the log" in page.good("%cluster logs").stdout
    assert page.good("%cluster logs --head --lines 3").ok


def test_cluster_logs_of_a_run(page: Page) -> None:
    page.good_remote(
        "for n in range(50_000): print('line', n)\n'the result'", "--background --name loud"
    )
    page.good("import farcell\nfarcell.find_run('loud').wait(30)")
    page.good_remote("silent = 1", "--background --name silent")
    page.good("farcell.find_run('silent').wait(30)")
    page.good_remote("print('another')")
    assert page.good("%cluster logs loud --lines 2").stdout == "line 49999\n'the result'\n"
    whole = page.good("%cluster logs loud").stdout
    assert whole.startswith("line 0\n")
    assert whole.count("line ") == 50_000
    assert page.good("%cluster logs silent").stdout.strip() == ""
    assert page.good("%cluster logs last").stdout == "another\n"
    cell = page.run("%cluster logs nobody")
    assert (cell.error, "loud" in cell.message) == ("UsageError", True)


def test_cluster_logs_of_several_ranks(page: Page) -> None:
    code = "import os\nprint('alike')\nif os.environ['RANK'] == '1': print('apart')"
    page.good_remote(code, "--ranks 2 --background --name pair")
    page.good("import farcell\nfarcell.find_run('pair').wait(30)")
    assert page.good("%cluster logs pair").stdout == "alike\n[1] apart\n"
    page.good("%cluster restart --on ranks=2")
    assert page.good("%cluster logs pair").stdout == "alike\n[1] apart\n"
    page.good("%cluster stop ranks=2")


def test_cluster_help_and_typos(page: Page) -> None:
    assert "%cluster restart" in page.good("%cluster --help").stdout
    assert "--lines" in page.good("%cluster logs --help").stdout
    cell = page.run("%cluster statsu")
    assert (cell.error, "status" in cell.message) == ("UsageError", True)


def test_cluster_interrupt_without_a_run(page: Page) -> None:
    page.good("%cluster interrupt")
    assert page.good_remote("1").result == "1"


def test_cluster_stop_and_start(page: Page) -> None:
    page.good("%cluster stop")
    assert "no cluster" in page.good("%cluster status").stdout
    assert "farcell" in page.good("%cluster start").stdout
    assert page.good_remote("1").result == "1"


def test_matplotlib_figures_are_closed_between_cells(page: Page) -> None:
    pytest.importorskip("matplotlib")
    page.good_remote("import matplotlib.pyplot as plt\nplt.plot([1])")
    cell = page.good_remote("plt.get_fignums()")
    assert cell.result == "[]"


def test_unload_and_load_again(page: Page) -> None:
    page.good("%unload_ext farcell")
    assert page.run("%%remote\n1").error in ("UsageError", "")
    page.load()
    assert page.good_remote("'again'").result == "'again'"
