# SPDX-License-Identifier: MIT
"""What the suites that drive the whole program share: an interpreter with the test packages (environment), data
(lake), a running stack (stack), plain DuckDB beside it (plain), exact comparison (compare), counting (cases)."""
