"""A page opened in a headless browser at two widths, and what became of it."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
WIDTHS = {"phone": 390, "desktop": 1280}
OPTIONS = [
    "--headless", "--no-sandbox", "--hide-scrollbars", "--disable-gpu", "--no-first-run",
    "--disable-dev-shm-usage",
    "--disable-background-networking", "--disable-component-update", "--enable-logging=stderr",
    "--host-resolver-rules=MAP * ~NOTFOUND", "--dump-dom",
]  # fmt: skip

# The page stands in frames of the two widths: a window cannot be as narrow as a phone. It may run
# only a script of its own, so that the frames' owner looks into them, and presses its buttons.
PROBE = """<!doctype html><title>probe</title>{frames}<pre id="found"></pre><script>
addEventListener("load", () => {{
  const found = {{}};
  for (const frame of document.querySelectorAll("iframe")) {{
    const page = frame.contentDocument, root = page.documentElement;
    const all = [...page.body.querySelectorAll("*")].filter(e => !e.closest("svg, [hidden]"));
    const cards = () => [...page.querySelectorAll(".card")].filter(e => e.offsetWidth > 0)
      .map(e => [e.dataset.kind, e.dataset.group]);
    const shown = {{all: cards()}}, filter = page.querySelector(".filter");
    let focused = [];
    if (filter) {{
      const [, right, wrong] = filter.querySelectorAll("button");
      const group = filter.querySelector("select");
      wrong.click();
      shown.wrong = cards();
      shown.pressed = [...filter.querySelectorAll("[aria-pressed=true]")].map(e => e.value);
      right.click();
      group.value = "1";
      group.dispatchEvent(new Event("change"));
      shown.right_of_1 = cards();
      shown.said = filter.querySelector("output").textContent;
      filter.querySelector("button").click();
      group.value = "all";
      group.dispatchEvent(new Event("change"));
      for (const each of filter.querySelectorAll("button, select")) {{
        each.focus({{focusVisible: true}});
        const style = frame.contentWindow.getComputedStyle(each);
        focused.push([page.activeElement === each, style.outlineWidth]);
      }}
    }}
    found[frame.id] = {{
      width: root.clientWidth, scroll_width: root.scrollWidth,
      beyond: all.filter(e => !e.parentElement.closest(".wide")
        && e.getBoundingClientRect().right > root.clientWidth + 1).map(e => e.outerHTML),
      moved: all.filter(e => e.matches(".wide") && e.scrollWidth > e.clientWidth + 1).length,
      images: [...page.images].map(i => [i.alt, i.naturalWidth, i.currentSrc.slice(0, 11),
        Math.round(i.getBoundingClientRect().width)]),
      scripts_ran: frame.contentWindow.ran === true, shown, focused,
      charts: [...page.querySelectorAll("svg[role=img]")].map(e => [e.getAttribute("aria-label"),
        Math.round(e.getBoundingClientRect().width), e.querySelectorAll("text").length]),
      text: page.body.innerText,
    }};
  }}
  document.getElementById("found").textContent = JSON.stringify(found);
}});</script>"""

SITE_PROBE = """<!doctype html><title>probe</title>{frames}<pre id="found"></pre><script>
addEventListener("load", () => {{
  const found = {{}};
  for (const frame of document.querySelectorAll("iframe")) {{
    const root = frame.contentDocument.documentElement;
    const tables = [...root.querySelectorAll("article table.table")];
    const hidden = e => e && e.scrollWidth > e.clientWidth + 1;
    const images = [...root.querySelectorAll("article img")];
    found[frame.id] = {{
      width: root.clientWidth, scroll_width: root.scrollWidth, tables: tables.length,
      cut: tables.filter(t => hidden(t) || hidden(t.closest(".pst-scrollable-table-container")))
        .map(t => t.innerText),
      images: images.map(i => [i.getAttribute("src"), i.naturalWidth]),
    }};
  }}
  document.getElementById("found").textContent = JSON.stringify(found);
}});</script>"""


def look_at(page: str, folder: Path) -> dict[str, Any]:
    """Return what a browser makes of a page: an entry a width, and ``console``, its messages.

    Skips the test where there is no browser.
    """
    frames = "".join(
        f'<iframe id="{name}" width="{width}" height="900" style="border:0" '
        f'srcdoc="{html.escape(page)}"></iframe>'
        for name, width in WIDTHS.items()
    )
    return _probe(PROBE.format(frames=frames), folder)


def look_at_files(files: Sequence[Path], folder: Path, width: int) -> dict[str, Any]:
    """Return an entry a file of a site, as `look_at` does for one page; `folder` is outside it."""
    frames = "".join(
        f'<iframe id="{path.name}" width="{width}" height="900" src="{path.as_uri()}"></iframe>'
        for path in files
    )
    return _probe(SITE_PROBE.format(frames=frames), folder, "--allow-file-access-from-files")


def _probe(page: str, folder: Path, *options: str) -> dict[str, Any]:
    program = next(filter(None, map(shutil.which, NAMES)), None)
    if program is None:
        pytest.skip("there is no headless browser: apt-get install chromium")
    (folder / "probe.html").write_text(page, encoding="utf-8")
    profile = f"--user-data-dir={folder / 'profile'}"
    done = subprocess.run(
        [program, *OPTIONS, *options, profile, f"{folder / 'probe.html'}"],
        capture_output=True, check=True, encoding="utf-8", errors="replace", timeout=120,
    )  # fmt: skip
    found = re.search(r'<pre id="found">(.*?)</pre>', done.stdout, re.DOTALL)
    assert found, done.stderr
    console = [line for line in done.stderr.splitlines() if ":CONSOLE" in line]
    return json.loads(html.unescape(found[1])) | {"console": console}
