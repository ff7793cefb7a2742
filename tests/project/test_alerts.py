"""The rules of the page `alerts`, against what a real server tells: each metric and label is there, and none fires while
all is well."""

from __future__ import annotations

import re
import urllib.request
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from support.pages import DOCS, FILES, PAGES
from support.peers import FRAME, calling, connected, free_port, opening, read_to_end
from support.running import Serve

RULES: list[dict[str, Any]] = yaml.safe_load(FILES["audiosocket-alerts.yml"])["groups"][0]["rules"]
METRIC = re.compile(r"\baudiosocket_\w+")
SELECTOR = re.compile(r"(\baudiosocket_\w+)\{([^}]*)\}")
SIMPLE = re.compile(r"(audiosocket_\w+(?: \+ audiosocket_\w+)*) > ([\d.e]+)")
each_rule = pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[tuple[dict[str, str], float]]]:
    """What a server that uploads and sends events tells after a call: samples by name."""
    raise NotImplementedError
