"""Settings of nbval, which runs the notebooks and compares their outputs with the stored ones."""

import pytest
from nbval import plugin
from nbval.kernel import RunningKernel

# Pictures and HTML carry measured digits. Their text/plain is what is compared.
NOT_COMPARED = ("text/html", "image/png", "image/svg+xml")


def _execute_as_jupyter(self, cell_input, allow_stdin=None):
    """Run a cell with its history stored, so that a trailing `;` hides its value as in Jupyter."""
    return self.kc.execute(
        cell_input, store_history=True, allow_stdin=allow_stdin, stop_on_error=False
    )


RunningKernel.execute_cell_input = _execute_as_jupyter


@pytest.hookimpl(wrapper=True)
def pytest_collect_file(file_path, parent):
    """Add the types above to those that nbval leaves out."""
    collected = yield
    for node in collected:
        if isinstance(node, plugin.IPyNbFile):
            node.skip_compare = (*node.skip_compare, *NOT_COMPARED)
    return collected
