import sys
from pathlib import Path

# the files beside the tests are imported by name, from the tests as from record.py
sys.path.append(str(Path(__file__).parent))
