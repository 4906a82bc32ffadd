"""The module that runs standard Transformers: alone, and on what programs compile to."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.models.random_transformers import random_transformer
from tpir.backends.transformer import compile_transformer
from tpir.equiv.artefact import load_artefact, program_artefact
from tpir.equiv.sides import compare
from tpir.equiv.verdict import Answer
from tpir.ir.builder import Builder
from tpir.ir.expressions import BinaryOp
from tpir.ir.ops import Comparison, Select, SelectorWidth, Tokens
from tpir.ir.program import Header
from tpir.ir.values import Value
from tpir.models import transformer
from tpir.models.transformer_format import save_transformer
from tpir.models.transformer_predict import Predictor
from tpir.semantics.program_space import space_of

ALONE = """\
import importlib.util, json, sys
import torch
from safetensors.torch import load_file
spec = importlib.util.spec_from_file_location("alone", sys.argv[1])
alone = importlib.util.module_from_spec(spec)
spec.loader.exec_module(alone)
model = alone.Transformer(load_file(sys.argv[2]), causal=True)
logits = model(torch.tensor(json.loads(sys.argv[3])))
print(json.dumps(logits.tolist()))
assert not any(name.split(".")[0] == "tpir" for name in sys.modules)
"""


def test_a_file_runs_with_no_other_part_of_tpir(tmp_path: Path) -> None:
    model = random_transformer(causal=True)
    path = tmp_path / "m.safetensors"
    save_transformer(path, model)
    ids = [[0, 2, 1, 1]]
    command = [sys.executable, "-I", "-c", ALONE, transformer.__file__, str(path), json.dumps(ids)]
    run = subprocess.run(command, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    ours = Predictor(model).logits(transformer.torch.tensor(ids))
    assert json.loads(run.stdout) == ours.tolist()


def test_state_dict_has_the_names_of_the_file() -> None:
    model = random_transformer()
    assert set(model.model().state_dict()) == set(model.state)


@pytest.mark.parametrize(
    "vocabulary",
    [
        ("a", "b", 'say "it\'s"'),
        (0, 3, -2),
        (0.5, -1.5, 2.0),
        (True, False),
        (1, True, 1.0, "1"),
    ],
)
def test_programs_over_any_values_come_back_from_a_file(
    tmp_path: Path, vocabulary: tuple[Value, ...]
) -> None:
    builder = Builder(Header(vocabulary, context=4))
    tokens = builder.add(Tokens())
    same = builder.add(Select(Comparison(BinaryOp.EQUAL)), [tokens, tokens])
    program = builder.build({"same": tokens, "count": builder.add(SelectorWidth(), [same])})
    path = tmp_path / "m.safetensors"
    save_transformer(path, compile_transformer(program))
    loaded = load_artefact(path)
    verdict = compare(program_artefact(program, Path("p")), loaded, space_of(program))
    assert verdict.answer is Answer.PROVED, verdict
