"""HTML pages in a real browser: only their own scripts run, and what they show can be used by everybody."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser

from audiosocket_cli.ui.html import data, page, tag
from support.browser import serious_faults, shown

HOSTILE = '</script><script>document.title = "owned"</script>'


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_page_runs_its_scripts_and_reads_its_data(browser: Browser, tmp_path: Path, scheme: str) -> None:
    script = "document.querySelector('p').textContent = JSON.parse(document.getElementById('given').textContent).text"
    path = tmp_path / "page.html"
    path.write_bytes(page("title", tag("p"), data("given", {"text": HOSTILE}), narrow_rem=1, scripts=[script]))
    with shown(browser, path.as_uri(), scheme=scheme) as window:  # type: ignore[arg-type]
        assert window.inner_text("p") == HOSTILE
        assert window.title() == "title"
        assert serious_faults(window) == []
