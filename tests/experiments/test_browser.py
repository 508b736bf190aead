"""The report in a real browser, where there is one: nothing on its console, every image drawn, no network."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from ifgan.experiments.report import write_report

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(BROWSER is None, reason="no Chromium on this machine")

COUNT_PICTURES = """<script>addEventListener("load", () => console.log(
    "drawn " + [...document.images].filter(image => image.naturalWidth).length + " of " + document.images.length))
</script>"""


WIDTH = """<script>addEventListener("load", () => console.log(
    document.documentElement.scrollWidth - document.documentElement.clientWidth + " px too wide"))</script>"""


def console(page: Path, profile: Path, *options: str) -> list[str]:
    """What a browser without a network says on its console when it opens the page."""
    command = [str(BROWSER), "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={profile}"]
    command += ["--host-resolver-rules=MAP * ~NOTFOUND", "--enable-logging=stderr", "--virtual-time-budget=5000"]
    command += [*options, "--dump-dom", page.as_uri()]
    ended = subprocess.run(command, check=False, capture_output=True, text=True, timeout=120)
    assert ended.returncode == 0 and "</html>" in ended.stdout, ended.stderr
    return re.findall(r'CONSOLE\S*\] "(.*)", source', ended.stderr)


def test_the_report_opens_without_a_word_on_the_console(runs: Path, tmp_path: Path):
    page = write_report(runs, tmp_path / "report").page
    text = page.read_text()
    page.write_text(text.replace("</body>", COUNT_PICTURES + "</body>"))
    pictures = text.count("<img ")
    assert pictures > 0
    assert console(page, tmp_path / "profile") == [f"drawn {pictures} of {pictures}"]


def test_nothing_of_the_report_is_wider_than_a_telephone(runs: Path, tmp_path: Path):
    page = write_report(runs, tmp_path / "report").page
    text = page.read_text().replace("<details", "<details open").replace("open open", "open")
    page.write_text(text.replace("</body>", WIDTH + "</body>"))
    (said,) = console(page, tmp_path / "profile", "--window-size=390,844")
    assert said == "0 px too wide"


def test_a_page_with_errors_is_told_from_one_without(tmp_path: Path):
    page = tmp_path / "broken.html"
    page.write_text(f"<html><body><img src='missing.png'>{COUNT_PICTURES}<script>nothing()</script></body></html>")
    said = console(page, tmp_path / "profile")
    assert "drawn 0 of 1" in said and any("nothing is not defined" in line for line in said)
