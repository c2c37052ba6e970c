# SPDX-License-Identifier: MIT
"""A function that can't be loaded."""

import a_module_that_does_not_exist  # noqa: F401  pylint: disable=import-error,unused-import


def handler(event, context):  # pylint: disable=unused-argument
    return None
