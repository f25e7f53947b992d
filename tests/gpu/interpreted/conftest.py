"""Triton's kernels on a CPU: its interpreter has to be chosen before it is imported, so in a process of its own."""

import os

collect_ignore_glob = [] if os.environ.get("TRITON_INTERPRET") == "1" else ["*"]
