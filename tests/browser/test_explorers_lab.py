"""Every explorer in JupyterLab: the suite of `explorer_suite`."""

import pytest
from explorer_suite import TestExplorer, case, host  # noqa: F401 - fixtures and tests

pytestmark = pytest.mark.browser
HOST = "lab"
