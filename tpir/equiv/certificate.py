"""Certificates: what was proved of two artefacts, written down so that anyone can check it again.

A certificate is no proof by itself. Who checks it runs all inputs once more, or asks a solver once
more (the other one, where two are installed), led by the pairs of nodes that it lists; the names of
programs and inputs in it have to be theirs.
"""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping
from dataclasses import replace
from importlib import metadata

from tpir.equiv.artefact import Artefact
from tpir.equiv.effort import Effort
from tpir.equiv.sides import compare
from tpir.equiv.smt.solvers import Solver, installed_solvers
from tpir.equiv.sources import Source
from tpir.equiv.verdict import Answer, Verdict
from tpir.errors import TpirError
from tpir.files import json_value
from tpir.semantics.program_space import input_space
from tpir.semantics.space import InputSpace

FORMAT = "tpir certificate 1"
LISTED = ("tpir", "numpy", "z3-solver", "bitwuzla")


def certificate(left: Artefact, right: Artefact, space: InputSpace, verdict: Verdict) -> str:
    """The certificate of a proof, as JSON. Raises TpirError where nothing was proved."""
    if verdict.answer is not Answer.PROVED:
        raise TpirError(f"nothing was proved that could be certified: {verdict}")
    content = {
        "format": FORMAT,
        "claim": "equal on every input",
        "left": Source.of(left).name,
        "right": Source.of(right).name,
        "inputs": _inputs(space),
        "method": verdict.method,
        "solver": verdict.solver,
        "pairs": dict(verdict.witness),
        "approximate": list(verdict.approximate),
        "versions": _versions(),
    }
    return json.dumps(content, ensure_ascii=False, indent=2) + "\n"


def _inputs(space: InputSpace) -> dict[str, object]:
    return {
        "vocabulary": list(space.vocabulary),
        "context": space.context,
        "accepts": None if space.form is None else str(space.form),
        "count": space.count(),
    }


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for name in LISTED:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def check_certificate(text: str, left: Artefact, right: Artefact, effort: Effort) -> Verdict:
    """Check a certificate of two artefacts anew: the verdict of this proof.

    Raises TpirError where it is no certificate, or one of other programs or inputs, or claims more
    inputs than there are.
    """
    content = json_value(text, "the certificate")
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise TpirError(f"this is no certificate: its format is not {FORMAT!r}")
    for side, artefact in (("left", left), ("right", right)):
        if content.get(side) != Source.of(artefact).name:
            raise TpirError(f"the certificate is not about {artefact.path}: fingerprints differ")
    space = _space(content.get("inputs"), left, right)
    solver = content.get("solver")
    pairs = content.get("pairs")
    witness = {str(k): str(v) for k, v in pairs.items()} if isinstance(pairs, dict) else {}
    if solver is None:
        return compare(left, right, space, replace(effort, method="exhaustive"))
    again = replace(effort, method="smt", solver=effort.solver or _other(str(solver)))
    return compare(left, right, space, again, witness=witness)


def _space(inputs: object, left: Artefact, right: Artefact) -> InputSpace:
    """The inputs that a certificate is about: those of either side."""
    if not isinstance(inputs, Mapping):
        raise TpirError("the certificate does not say which inputs it is about")
    vocabulary, context = inputs.get("vocabulary"), inputs.get("context")
    accepts = inputs.get("accepts")
    if not isinstance(vocabulary, list) or not isinstance(context, int):
        raise TpirError("the certificate does not say which inputs it is about")
    space = input_space(tuple(vocabulary), context, accepts if isinstance(accepts, str) else None)
    if space not in (left.space, right.space):
        raise TpirError("the certificate is about other inputs than either side accepts")
    if inputs.get("count") != space.count():
        raise TpirError(
            f"the certificate counts {inputs.get('count')} inputs; there are {space.count():,}"
        )
    return space


def _other(solver: str) -> Solver | None:
    """Another solver than that of the proof, if there is one."""
    others = [s for s in installed_solvers() if s.value != solver]
    return others[0] if others else None
