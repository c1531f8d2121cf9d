"""Every explorer as the file that `export_html` writes: the suite of `explorer_suite`."""

import explorer_suite
import pytest
from explorer_suite import case, host  # noqa: F401 - fixtures

pytestmark = pytest.mark.browser
HOST = "saved"


class TestSaved(explorer_suite.TestExplorer):
    """What needs a kernel is left out."""

    test_the_code_came_once = None
    test_a_busy_kernel_holds_no_view_up = None
    test_brushing_goes_on_without_a_kernel = None
