"""A real Chromium for tests, driven over the two pipes of its DevTools protocol."""

import json
import os
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

BROWSERS = ('chromium', 'chromium-browser', 'google-chrome')


def find_browser() -> str:
    """Return the browser's program, or skip with what brings it."""
    for name in BROWSERS:
        if shutil.which(name):
            return name
    pytest.skip('no browser here: sudo apt install chromium')


class Browser:
    """Chromium, driven over the two pipes of its DevTools protocol."""

    def __init__(self, program: str, profile: Path) -> None:
        to_read, self._write = os.pipe()
        self._read, to_write = os.pipe()

        def plumb() -> None:
            os.dup2(to_read, 13)
            os.dup2(to_write, 14)
            os.dup2(13, 3)
            os.dup2(14, 4)

        self._process = subprocess.Popen(
            [
                program,
                '--headless',
                '--no-sandbox',
                '--disable-gpu',
                '--no-first-run',
                '--disable-background-networking',
                f'--user-data-dir={profile}',
                '--remote-debugging-pipe',
            ],
            preexec_fn=plumb,  # noqa: PLW1509 - the child runs nothing else before exec
            close_fds=False,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(to_read)
        os.close(to_write)
        self._rest, self._number, self.session = b'', 0, ''
        self.events: list[dict[str, Any]] = []

    def call(self, method: str, **values: Any) -> dict[str, Any]:
        self._number += 1
        message: dict[str, Any] = {'id': self._number, 'method': method, 'params': values}
        if self.session:
            message['sessionId'] = self.session
        os.write(self._write, json.dumps(message).encode() + b'\0')
        while True:
            while b'\0' not in self._rest:
                part = os.read(self._read, 65536)
                assert part, 'the browser has ended'
                self._rest += part
            line, _, self._rest = self._rest.partition(b'\0')
            answer = json.loads(line)
            if 'method' in answer:
                self.events.append(answer)
            if answer.get('id') == self._number:
                assert 'error' not in answer, answer
                return dict(answer['result'])

    def open(self, url: str) -> None:
        target = self.call('Target.createTarget', url=url)['targetId']
        found = self.call('Target.attachToTarget', targetId=target, flatten=True)
        self.session = found['sessionId']
        for domain in ('Log', 'Runtime', 'Page'):
            self.call(f'{domain}.enable')

    def show(self, url: str, width: int, *, dark: bool = False) -> None:
        """Load a page at a width in pixels, and wait until it is complete."""
        self.call(
            'Emulation.setDeviceMetricsOverride',
            width=width,
            height=900,
            deviceScaleFactor=1,
            mobile=False,
        )
        scheme = {'name': 'prefers-color-scheme', 'value': 'dark' if dark else 'light'}
        self.call('Emulation.setEmulatedMedia', features=[scheme])
        self.events.clear()
        self.call('Page.navigate', url=url)
        self.until(f'document.readyState + (location.href === {json.dumps(url)})', 'completetrue')

    def messages(self) -> list[str]:
        """Return what the console says, refusals by the page's policy among it."""
        self.call('Runtime.evaluate', expression='0')  # what came before it is here now
        return [
            json.dumps(event['params'])
            for event in self.events
            if event['method'] in {'Log.entryAdded', 'Runtime.consoleAPICalled'}
            or event['method'] == 'Runtime.exceptionThrown'
        ]

    def value(self, script: str) -> Any:
        found = self.call('Runtime.evaluate', expression=script, returnByValue=True)
        return found['result'].get('value')

    def until(self, script: str, wanted: Any) -> None:
        limit = time.monotonic() + 300
        while (found := self.value(script)) != wanted:
            assert time.monotonic() < limit, f'{script}: {found!r}, not {wanted!r}'
            time.sleep(0.05)

    def press(self, key: str) -> None:
        for kind in ('keyDown', 'keyUp'):
            self.call('Input.dispatchKeyEvent', type=kind, key=key, text=key)

    def close(self) -> None:
        self._process.terminate()
        self._process.wait(300)
        os.close(self._read)
        os.close(self._write)
