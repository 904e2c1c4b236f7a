"""Writes the golden files and their provenance; see README.md."""

import datetime
import hashlib
import pathlib
from importlib.metadata import version

import activations
import activations_jax
import algebra
import ctc_long
import losses
import losses_composed
import losses_formulas
import optimizers
import optimizers_lbfgs
import optimizers_matrix
import optimizers_optax
import optimizers_papers
import schedules
import torch_mlp
from common import DIRECTORY

PINS = pathlib.Path(__file__).with_name("requirements.txt").read_text().split()

PROVENANCE = """# Golden files

Inputs and results of PyTorch, of JAX, optax and Keras where PyTorch lacks an op, and of formulas written from papers,
computed once in float64 on the CPU from inputs that float32 represents exactly.

| | |
|---|---|
| packages | PyTorch (`torch`), BSD-3-Clause; JAX, optax and Keras, Apache-2.0; the files hold numbers only, none of their code |
| versions | {versions} |
| script | `tools/golden/make.py`; what a file holds is said in `tools/golden/common.py` |
| date | {date} |

| file | seed | cases | bytes | sha256 |
|---|---|---|---|---|
{files}

Where the results are not the output of one torch function: `softplus` has its threshold out of reach;
`sigmoid`, `tanh`, `gelu` and `bce_with_logits` are written in torch without cancellation in the tails and checked
against torch's own op; `categorical_cross_entropy`, which torch does not have, is
-sum(t·log(clamp(p, 1e-7, 1 - 1e-7))) per row, with torch's derivative of clamp; `quantile`, `mape`, `msle`,
`squared_hinge`, `exponential_loss`, `categorical_hinge` and `dice` are their formulas in torch, `squared_error`,
`log_cosh`, `hinge` and `focal` those of optax (the first and third also in torch). `muon` is torch's own code with float64 in the place of bfloat16. `optimizers_papers` is of no package:
its formulas are written in numpy from the papers that the script names; so are those of `losses_formulas`. `torch_mlp` is no golden file of
this kind but a state_dict in float32, as torch saves it; its outputs are of this kind.
`ctc_long` stores neither its logits, which `tools/golden/ctc_long.py` says how to make, nor more than a sample of each gradient.
"""


def main():
    for pin in PINS:
        package, wanted = pin.split("==")
        found = version(package).split("+")[0]
        assert found == wanted, f"{package} {found} is installed, the golden files are of {wanted}"
    DIRECTORY.mkdir(parents=True, exist_ok=True)
    results = [("torch_mlp", torch_mlp.SEED, "weights", torch_mlp.weights())]
    for module, name in (
        (activations, "activations"),
        (activations_jax, "activations_jax"),
        (algebra, "algebra"),
        (ctc_long, "ctc_long"),
        (losses, "losses"),
        (losses_composed, "losses_composed"),
        (losses_formulas, "losses_formulas"),
        (optimizers, "optimizers"),
        (optimizers_lbfgs, "optimizers_lbfgs"),
        (optimizers_matrix, "optimizers_matrix"),
        (optimizers_optax, "optimizers_optax"),
        (optimizers_papers, "optimizers_papers"),
        (schedules, "schedules"),
        (torch_mlp, "torch_mlp_outputs"),
    ):
        golden = module.build()
        results.append((name, module.SEED, len(golden.cases), golden.bytes()))
    files = []
    for name, seed, cases, contents in sorted(results):
        path = DIRECTORY / f"{name}.safetensors"
        path.write_bytes(contents)
        row = (path.name, seed, cases, len(contents), hashlib.sha256(contents).hexdigest())
        files.append("| " + " | ".join(map(str, row)) + " |")
    text = PROVENANCE.format(
        versions=", ".join(pin.replace("==", " ") for pin in PINS),
        date=datetime.date.today().isoformat(),
        files="\n".join(files),
    )
    (DIRECTORY / "PROVENANCE.md").write_text(text)
    print("\n".join(files))


if __name__ == "__main__":
    main()
