"""Check errors for users."""

from __future__ import annotations

import re
from typing import Any

import pytest

from smalti.core.errors import UserError


def expect_user_error(*words: str) -> Any:
    """Expect a UserError of one line that has all these words, in this order."""
    pattern = r"[^\n]*".join(map(re.escape, words))
    return pytest.raises(UserError, match=rf"\A[^\n]*{pattern}[^\n]*\Z")
