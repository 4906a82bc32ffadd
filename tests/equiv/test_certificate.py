"""Certificates: written of what was proved, checked anew, refused where they do not match."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tpir.equiv.artefact import Artefact, program_artefact
from tpir.equiv.certificate import certificate, check_certificate
from tpir.equiv.effort import Effort
from tpir.equiv.sides import compare
from tpir.equiv.verdict import Answer
from tpir.errors import TpirError
from tpir.text import parse


def artefact(text: str) -> Artefact:
    return program_artefact(parse(text, vocabulary="abc", context=5), Path("x.rasp"))


A = artefact("n = selector_width(select(tokens, tokens, ==)); x = n > 1;")
B = artefact("n = selector_width(select(tokens, tokens, ==)); x = n >= 2;")
C = artefact("n = selector_width(select(tokens, tokens, ==)); x = n > 2;")


@pytest.fixture(params=["exhaustive", "smt"])
def written(request: pytest.FixtureRequest) -> str:
    verdict = compare(A, B, A.space, Effort(method=request.param))
    return certificate(A, B, A.space, verdict)


def test_a_certificate_is_checked_anew(written: str) -> None:
    found = check_certificate(written, A, B, Effort())
    assert found.answer is Answer.PROVED and found.inputs == 363
    solver = json.loads(written)["solver"]
    assert (solver is None) == (found.solver is None)
    assert solver is None or found.solver != solver  # another one, as two are installed


def test_a_certificate_of_others_is_refused(written: str) -> None:
    for left, right in ((A, C), (C, B), (B, A)):
        with pytest.raises(TpirError, match="not about"):
            check_certificate(written, left, right, Effort())


def test_a_forged_certificate_does_not_pass(written: str) -> None:
    content = json.loads(written)
    forged = json.loads(certificate(A, C, A.space, compare(A, B, A.space)))
    found = check_certificate(json.dumps(forged), A, C, Effort())
    assert found.answer is Answer.REFUTED
    for inputs in (
        content["inputs"] | {"count": 10**9},
        content["inputs"] | {"context": 4},
        content["inputs"] | {"accepts": '"a"*'},
        None,
    ):
        with pytest.raises(TpirError):
            check_certificate(json.dumps(content | {"inputs": inputs}), A, B, Effort())
    # Pairs that are not so are tried and found out.
    wrong = content | {"pairs": {"x": "n", "n": "tokens"}}
    assert check_certificate(json.dumps(wrong), A, B, Effort()).answer is Answer.PROVED


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": "tpir certificate 9"}'])
def test_what_is_no_certificate_is_an_error(text: str) -> None:
    with pytest.raises(TpirError, match="certificate"):
        check_certificate(text, A, B, Effort())


def test_nothing_proved_is_nothing_certified() -> None:
    verdict = compare(A, C, A.space)
    with pytest.raises(TpirError, match="nothing was proved"):
        certificate(A, C, A.space, verdict)
