"""All but this stands in setup.cfg: a package index shows the README without the pictures and pages beside it."""

import re
from pathlib import Path

from setuptools import setup

text = (Path(__file__).parent / "README.md").read_text(encoding="utf-8")
text = re.sub(r"!\[[^]]*\]\([^)]*\)\n\n\*.+?\*\n\n", "", text, flags=re.DOTALL)  # a picture with the words below it
text = re.sub(r"\[([^]]+)\]\((?!https?:)[^)]*\)", r"\1", text)
setup(long_description=text, long_description_content_type="text/markdown")
