"""Random programs through every arrow, each against the interpreter (passes: passes/test_laws).

The inputs of a program are gone through whole where they are few, else a spread of them is run.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from hypothesis import HealthCheck, given, settings

from tests.conftest import PROGRAMS
from tests.strategies import programs
from tests.strategies_tp import transformer_programs
from tpir.backends.python import emit_python
from tpir.backends.transformer_program import compile_transformer_program
from tpir.equiv.check import check
from tpir.equiv.compare import differences
from tpir.equiv.runners import ProgramRunner, Recoded
from tpir.equiv.verdict import Answer
from tpir.errors import TpirError
from tpir.ir.program import Program
from tpir.ir.values import Value, value_key
from tpir.lowering.transformer_program import lower_transformer_program
from tpir.models.runner import ModelRunner
from tpir.semantics.interpreter import Outcome, run_many
from tpir.semantics.program_space import space_of
from tpir.text import parse, print_program

Inputs = list[tuple[Value, ...]]


def inputs_of(program: Program, limit: int = 60) -> Inputs:
    """Accepted inputs: the first ones and a spread of the others."""
    space = space_of(program)
    every = [tuple(space.decode(row)) for _, batch in space.batches(1000) for row in batch.T]
    return every if len(every) <= limit else every[: limit // 2] + every[:: len(every) // 30]


@settings(max_examples=PROGRAMS)
@given(programs())
def test_text_parses_back(program: Program) -> None:
    text = print_program(program)
    again = parse(text)
    assert again == program
    assert print_program(again) == text


@settings(max_examples=PROGRAMS)
@given(transformer_programs())
def test_text_of_transformer_programs_parses_back(program: Program) -> None:
    text = print_program(program)
    assert parse(text) == program
    assert print_program(parse(text)) == text


def outcome_of(run: Callable[[list[Value]], object], failure: object, row: Inputs) -> Outcome:
    try:
        result = run(list(row))
    except Exception as error:
        if failure is None or not isinstance(error, failure):  # type: ignore[arg-type]
            raise
        return Outcome(None, str(error))
    named = result if isinstance(result, dict) else {"output": result}
    return Outcome({name: tuple(values) for name, values in named.items()}, None)


@settings(max_examples=PROGRAMS)
@given(programs())
def test_emitted_python_is_the_program(program: Program) -> None:
    text = emit_python(program)
    names: dict[str, object] = {}
    exec(compile(text, "module", "exec"), names)
    inputs = inputs_of(program)
    for tokens, outcome in zip(inputs, run_many(program, inputs), strict=True):
        found = outcome_of(names["run"], names.get("Failure"), tokens)  # type: ignore[arg-type]
        if outcome.values is None:
            assert found.values is None, tokens
            continue
        assert found.values is not None, (tokens, found.failure)
        expected = [tuple(map(value_key, row)) for row in outcome.values.values()]
        assert [tuple(map(value_key, row)) for row in found.values.values()] == expected, tokens


@settings(max_examples=PROGRAMS)
@given(transformer_programs())
def test_compiled_weights_are_the_program(program: Program) -> None:
    compiled = compile_transformer_program(program)
    space = space_of(program)
    runner = Recoded(ModelRunner(compiled), space.vocabulary)
    interpreter = ProgramRunner(program)
    for _, batch in space.batches(64):
        assert not differences(interpreter.run_batch(batch), runner.run_batch(batch)).any()
        if batch.shape[0] > 3:
            break
    again = lower_transformer_program(compiled)
    assert lower_transformer_program(compile_transformer_program(again)) == again


def test_what_the_architecture_cannot_hold_is_refused() -> None:
    """Any program goes to the backend; it compiles and means the same, or one clear error says why.

    Programs over words only, and with a single output, so that the share refused says something.
    """
    answers: Counter[str] = Counter()
    _attempt(answers)
    assert answers["compiled"] > 0.05 * sum(answers.values()), answers


@settings(
    max_examples=PROGRAMS,
    suppress_health_check=[HealthCheck.nested_given, HealthCheck.too_slow],
)
@given(program=programs(may_pool=False))
def _attempt(answers: Counter[str], program: Program) -> None:
    try:
        compiled = compile_transformer_program(program)
    except TpirError as error:
        answers["refused"] += 1
        assert str(error)
        return
    answers["compiled"] += 1
    verdict = check(ProgramRunner(program), ModelRunner(compiled), space_of(program), limit=300)
    assert verdict.answer is not Answer.REFUTED, verdict
