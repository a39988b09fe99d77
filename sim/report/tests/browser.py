"""A headless Chromium, driven by Debian's chromedriver over the WebDriver protocol."""
import json
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

ELEMENT = "element-6066-11e4-a52e-4f735466cecf"  # as the protocol names it
TAB = "\ue004"
ENTER = "\ue007"


class Browser:
    """One window. `downloads` is where files land that a page has saved."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="eptsim-browser-")
        self.downloads = pathlib.Path(self._folder.name, "downloads")
        self.downloads.mkdir()
        self._driver = subprocess.Popen(["chromedriver", "--port=0"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                                        text=True, env={**os.environ, "HOME": self._folder.name})
        try:
            self._address = f"http://127.0.0.1:{self._port()}"
            self._session = "/session/" + self._open_session()
            # Away from the browser's own first page, which loads much.
            self._ask("POST", self._session + "/url", {"url": "about:blank"})
            self.tell("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(self.downloads))
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> "Browser":
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def close(self) -> None:
        if hasattr(self, "_session"):
            self._ask("DELETE", self._session)
        self._driver.terminate()
        self._driver.wait(30)
        self._driver.stdout.close()
        shutil.rmtree(self._folder.name, ignore_errors=True)
        self._folder.cleanup()

    def open(self, page: pathlib.Path) -> None:
        self._ask("POST", self._session + "/url", {"url": page.resolve().as_uri()})

    def reopen(self) -> None:
        """The page as it was when it was opened."""
        self._ask("POST", self._session + "/url", {"url": self._ask("GET", self._session + "/url")})

    def run(self, script: str, *arguments):
        """What a function with this body returns."""
        return self._ask("POST", self._session + "/execute/sync", {"script": script, "args": list(arguments)})

    def tell(self, command: str, **parameters):
        """A command of the DevTools protocol."""
        return self._ask("POST", self._session + "/goog/cdp/execute", {"cmd": command, "params": parameters})

    def press(self, *keys: str) -> None:
        actions = [{"type": kind, "value": key} for key in keys for kind in ("keyDown", "keyUp")]
        self._ask("POST", self._session + "/actions", {"actions": [{"type": "key", "id": "keys", "actions": actions}]})

    def click(self, element: dict) -> None:
        """As a person would: fails where something else lies on top."""
        self._ask("POST", f"{self._session}/element/{element[ELEMENT]}/click", {})

    def log(self, kind: str) -> list[dict]:
        """What came since it was asked for last: `browser` is the console, `performance` what the network did."""
        return self._ask("POST", self._session + "/se/log", {"type": kind})

    def window(self, width: int, height: int = 900) -> None:
        self.tell("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)

    def media(self, media: str = "", scheme: str = "light") -> None:
        self.tell("Emulation.setEmulatedMedia", media=media,
                  features=[{"name": "prefers-color-scheme", "value": scheme}])

    def saved_file(self) -> tuple[str, bytes]:
        """Waits for the one file that the page saves, and takes it away."""
        for _ in range(2400):
            files = list(self.downloads.iterdir())
            if len(files) == 1 and not files[0].name.endswith(".crdownload") and not files[0].name.startswith("."):
                content = files[0].read_bytes()
                files[0].unlink()
                return files[0].name, content
            time.sleep(0.05)
        raise AssertionError("nothing was saved within two minutes")

    def _port(self) -> int:
        for line in self._driver.stdout:
            if started := re.search(r"started successfully on port (\d+)", line):
                return int(started[1])
        raise RuntimeError("chromedriver doesn't start")

    def _open_session(self) -> str:
        arguments = ["--headless=new", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars",
                     "--force-color-profile=srgb", f"--user-data-dir={self._folder.name}/profile"]
        if os.getuid() == 0:
            arguments.append("--no-sandbox")
        wanted = {"browserName": "chrome",
                  "goog:chromeOptions": {"binary": shutil.which("chromium"), "args": arguments},
                  "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"}}
        return self._ask("POST", "/session", {"capabilities": {"alwaysMatch": wanted}})["sessionId"]

    def _ask(self, method: str, path: str, body: dict | None = None):
        request = urllib.request.Request(self._address + path, method=method,
                                         data=None if body is None else json.dumps(body).encode())
        request.add_header("Content-Type", "application/json")
        try:
            with urllib.request.urlopen(request, timeout=300) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            raise AssertionError(json.load(error)["value"]["message"]) from None
