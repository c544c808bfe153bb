"""The report in a real browser, where there is one."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.unit.report.test_page import html_of, run_with

BROWSERS = ('chromium', 'chromium-browser', 'google-chrome')
QUIET = (
    '--headless',
    '--no-sandbox',
    '--disable-gpu',
    '--no-first-run',
    '--disable-sync',
    '--disable-background-networking',
    '--disable-component-update',
    '--hide-scrollbars',
    '--enable-logging=stderr',
    '--v=0',
    '--virtual-time-budget=2000',
)
PROBE = """<script>
const page = document.createElement('iframe');
page.width = WIDTH; page.height = 900; page.srcdoc = HTML;
page.onload = () => {
  const inside = page.contentDocument;
  const images = [...inside.images];
  document.body.textContent = JSON.stringify({
    images: images.length,
    broken: images.filter(i => i.src && !i.naturalWidth).length,
    width: inside.documentElement.clientWidth,
    needed: inside.documentElement.scrollWidth,
    drawn: inside.querySelectorAll('svg image').length,
  });
};
document.body.append(page);
</script>"""


@pytest.fixture(scope='module')
def browser() -> str:
    for name in BROWSERS:
        if shutil.which(name):
            return name
    pytest.skip(f'no browser here; one of {", ".join(BROWSERS)} would do')


@pytest.mark.slow
@pytest.mark.parametrize('width', [1280, 400])
def test_report_shows_its_pictures_and_fits(browser: str, tmp_path: Path, width: int) -> None:
    html = json.dumps(html_of(run_with())).replace('</', '<\\/')
    probe = PROBE.replace('WIDTH', str(width)).replace('HTML', html)
    (tmp_path / 'probe.html').write_text(f'<!DOCTYPE html><body>{probe}</body>')
    done = subprocess.run(
        [
            browser,
            *QUIET,
            f'--user-data-dir={tmp_path / "profile"}',
            '--dump-dom',
            f'file://{tmp_path / "probe.html"}',
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert 'CONSOLE' not in done.stderr, done.stderr
    found = json.loads(re.search(r'\{.*\}', done.stdout)[0])
    assert found['images'] >= 2
    assert found['drawn'] >= 1
    assert found['broken'] == 0
    assert found['width'] == width
    assert found['needed'] <= width  # wide charts scroll in their own box
