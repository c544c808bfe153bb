"""Report, comparison and index in a real browser: complete, within the width, readable."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from alexnet_ros.report.compare import compare
from alexnet_ros.report.ground_truth import Truth, TruthSpan
from alexnet_ros.report.page import index_page, render
from alexnet_ros.report.write import read_report, write_report
from alexnet_ros.video import VideoFile
from tests.browser import Browser, find_browser
from tests.unit.report.test_page import run_with
from tests.unit.report.test_scoring import SECOND

# Text that is too faint on what lies behind it, after WCAG 2.1, 1.4.3: 4.5 to 1, and 3 to 1
# for large text. Backgrounds that let something through are mixed with what is behind them.
FAINT = """(() => {
  const canvas = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
  canvas.canvas.width = canvas.canvas.height = 1;
  const rgba = text => {
    canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = text; canvas.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data; return [r, g, b, a / 255];
  };
  const over = (top, under) => [0, 1, 2].map(i => top[i] * top[3] + under[i] * (1 - top[3]));
  const light = rgb => rgb.map(v => v / 255)
    .map(v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = element => {
    const stack = [];
    for (let one = element; one; one = one.parentElement)
      stack.push(rgba(getComputedStyle(one).backgroundColor));
    return stack.reverse().reduce((under, top) => over(top, under), [255, 255, 255]);
  };
  const faint = [];
  for (const element of document.body.querySelectorAll('*')) {
    const own = [...element.childNodes].some(n => n.nodeType === 3 && n.textContent.trim());
    if (!own || element.tagName === 'title') continue;
    const style = getComputedStyle(element), back = behind(element);
    const fill = element.namespaceURI.endsWith('svg') ? style.fill : style.color;
    const [a, b] = [light(over(rgba(fill), back)), light(back)];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    const size = parseFloat(style.fontSize), bold = style.fontWeight >= 700;
    const large = size >= 24 || (size >= 18.66 && bold);
    if (ratio < (large ? 3 : 4.5))
      faint.push(`${element.tagName} "${element.textContent.slice(0, 20)}" ${ratio.toFixed(2)}`);
  }
  return faint;
})()"""


@pytest.fixture(scope='module')
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    made = Browser(find_browser(), tmp_path_factory.mktemp('profile'))
    made.open('about:blank')
    yield made
    made.close()


@pytest.fixture(scope='module')
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with report.html, its video, comparison.html and index.html."""
    folder = tmp_path_factory.mktemp('pages')
    truth = Truth([TruthSpan('', 1, SECOND, 9 * SECOND), TruthSpan('', 2, 0, SECOND)])
    run = run_with('Speed limit (50km/h)', truth=truth)
    video = VideoFile(folder / 'video.webm', 10.0)
    for value in range(0, 250, 25):
        video.write(np.full((64, 96, 3), value, np.uint8))
    video.close()
    (folder / 'results.mcap').write_bytes(b'')
    write_report(folder, run, compare(run.as_json(), run.as_json(), 'before'))
    report = read_report(folder)
    worse = {**report, 'truth': {**report['truth'], 'event_recall': 0.0}, 'signs': []}
    found = compare(worse, report, 'before')
    (folder / 'comparison.html').write_text(
        render('compare.html', name='drive', found=found, reasons=['event recall fell'])
    )
    one = {'bag': 'drive_with_quite_a_long_name_of_its_own', 'output': str(folder)}
    good = {'complete': True, 'frames': 9, 'signs': 1, 'truth': report['truth']}
    merged = {
        'bags': 2,
        'failed': 1,
        'frames': 9,
        'signs': 1,
        'truth': {'event_precision': 1.0, 'event_recall': 0.5},
        'runs': [{**one, **good}, {**one, 'error': 'is not a bag'}],
    }
    (folder / 'index.html').write_text(index_page(merged, folder))
    return folder


@pytest.mark.slow
@pytest.mark.parametrize('dark', [False, True])
@pytest.mark.parametrize('width', [1280, 400])
@pytest.mark.parametrize('name', ['report', 'comparison', 'index'])
def test_page_is_complete_fits_and_can_be_read(
    browser: Browser, pages: Path, name: str, width: int, dark: bool
) -> None:
    browser.show((pages / f'{name}.html').as_uri(), width, dark=dark)
    assert browser.value('document.documentElement.scrollWidth') <= width
    assert browser.value('innerWidth') == width
    broken = '[...document.images].filter(i => i.src && !i.naturalWidth).length'
    assert browser.value(broken) == 0
    assert browser.value(FAINT) == []
    assert browser.messages() == []


@pytest.mark.slow
def test_report_plays_its_video_and_its_charts_scroll(browser: Browser, pages: Path) -> None:
    browser.show((pages / 'report.html').as_uri(), 400)
    browser.until("document.querySelector('video').videoWidth", 96)
    scrolls = '[...document.querySelectorAll(".chart")].every(c => c.scrollWidth > c.clientWidth)'
    assert browser.value(scrolls)
    assert browser.value('document.querySelectorAll("svg image").length') >= 1
    assert browser.messages() == []


@pytest.mark.slow
def test_probe_finds_faint_text_and_a_forbidden_script(browser: Browser, tmp_path: Path) -> None:
    policy = '<meta http-equiv="Content-Security-Policy" content="script-src \'none\'">'
    page = tmp_path / 'bad.html'
    page.write_text(f'{policy}<p style="color:#bbb">faint</p><script>document.title="x"</script>')
    browser.show(page.as_uri(), 400)
    assert len(browser.value(FAINT)) == 1
    assert 'Content Security Policy' in ''.join(browser.messages())
