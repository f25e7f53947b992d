"""What PyTorch Geometric's own use of torch.jit.script makes torch say is not shown to who imports from a room."""

import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow
# torch 2.14 warns thus of every script; under an older torch the warning is made here
PROGRAM = """
import sys, warnings
import torch
script = torch.jit.script
def warn_and_script(*args, **options):
    warnings.warn("`torch.jit.script` is deprecated. Please switch to `torch.compile`.", FutureWarning)
    return script(*args, **options)
torch.jit.script = warn_and_script
{imports}
assert "torch_geometric.nn" in sys.modules
print("imported", file=sys.stderr)
torch.jit.script(torch.nn.Identity())
"""


def said(imports: str) -> tuple[str, str]:
    done = subprocess.run([sys.executable, "-c", PROGRAM.format(imports=imports)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    before, _, after = done.stderr.partition("imported")
    return before, after


@pytest.mark.parametrize(
    "imports",
    [
        "from graphreel.gnn import GCNConv",
        "from graphreel.combined import ClipClassifier",
        "from graphreel.data import neighbor_loader",
        "from gnn import GATConv",
        "import graphreel.__main__ as m; m.sys.argv[1:] = ['gnn', 'updates', '--data', 'six-node', 'C', 'E']\n"
        "try: m.main()\nexcept SystemExit as end: assert not end.code",
    ],
)
def test_importing_is_quiet(imports):
    assert "FutureWarning" not in said(imports)[0]


def test_pyg_alone_warns_and_so_does_ones_own_scripting():
    assert "FutureWarning" in said("import torch_geometric.nn")[0]
    assert "FutureWarning" in said("from graphreel.gnn import GCNConv")[1]
