"""Where a plan would fail: the rules, what they find, and what people decided about it."""
