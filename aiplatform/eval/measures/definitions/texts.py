"""Metrics of texts, as sacrebleu, SQuAD's script and jiwer define them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, Final

from aiplatform.core.i18n import N_
from aiplatform.eval.measures import edit_rates, rouge, strings
from aiplatform.eval.measures.exactly import mean
from aiplatform.eval.measures.measure import EXPECTED, OUTPUT
from aiplatform.eval.measures.registry import Definition, Recipe
from aiplatform.eval.measures.translation import SentenceCollector, TranslationCollector, finished
from aiplatform.eval.model import MetricKind

_LANGUAGES: Final[Mapping[str, Mapping[str, Any]]] = {
    "zh": {"tokenize": "zh"},
    "ja": {"tokenize": "ja-mecab"},
    "ko": {"tokenize": "ko-mecab"},
}
_TOKENS: Final[Mapping[str, Mapping[str, Any]]] = {"cjk": {"tokenize": "cjk"}}


def _bleu(
    tokenize: str = "13a",
    lowercase: bool = False,
    smooth_method: str = "exp",
    smooth_value: float | None = None,
    max_ngram_order: int = 4,
    effective_order: bool = False,
    expected: str = EXPECTED,
    output: str = OUTPUT,
) -> Recipe:
    options = {
        "tokenize": tokenize,
        "lowercase": lowercase,
        "smooth_method": smooth_method,
        "smooth_value": smooth_value,
        "max_ngram_order": max_ngram_order,
        "effective_order": effective_order,
    }
    collector = TranslationCollector("BLEU", tuple(options.items()), expected, output)
    return Recipe(collector=collector, finish=finished(collector))


def _chrf(
    char_order: int = 6,
    word_order: int = 0,
    beta: int = 2,
    lowercase: bool = False,
    whitespace: bool = False,
    eps_smoothing: bool = False,
    expected: str = EXPECTED,
    output: str = OUTPUT,
) -> Recipe:
    options = {
        "char_order": char_order,
        "word_order": word_order,
        "beta": beta,
        "lowercase": lowercase,
        "whitespace": whitespace,
        "eps_smoothing": eps_smoothing,
    }
    collector = TranslationCollector("CHRF", tuple(options.items()), expected, output)
    return Recipe(collector=collector, finish=finished(collector))


def _chrf_plus(lowercase: bool = False, expected: str = EXPECTED, output: str = OUTPUT) -> Recipe:
    return _chrf(word_order=2, lowercase=lowercase, expected=expected, output=output)


def _rouge(
    which: str,
    part: str = "fmeasure",
    tokenize: str = "default",
    use_stemmer: bool = False,
    expected: str = EXPECTED,
    output: str = OUTPUT,
) -> Recipe:
    if part not in rouge.PARTS:
        raise ValueError(f"part is one of {', '.join(rouge.PARTS)}, not {part!r}")
    rouge.tokenizer_of(tokenize, use_stemmer)
    collector = rouge.RougeCollector(which, part, tokenize, use_stemmer, expected, output)
    return Recipe(collector=collector, finish=mean(), row_values=collector.row_values)


def _sentence_bleu(
    tokenize: str = "13a",
    lowercase: bool = False,
    smooth_method: str = "exp",
    expected: str = EXPECTED,
    output: str = OUTPUT,
) -> Recipe:
    options = (
        ("tokenize", tokenize),
        ("lowercase", lowercase),
        ("smooth_method", smooth_method),
        ("effective_order", True),
    )
    collector = SentenceCollector(TranslationCollector("BLEU", options, expected, output))
    return Recipe(collector=collector, finish=mean(), row_values=collector.row_values)


def _rate(of_words: bool, expected: str = EXPECTED, output: str = OUTPUT) -> Recipe:
    return Recipe(collector=edit_rates.EditsCollector(of_words, expected, output), finish=edit_rates.rate)


def _mean(collector: strings.RowCollector, *, is_proportion: bool) -> Recipe:
    finish = mean(is_proportion=is_proportion)
    return Recipe(collector=collector, finish=finish, row_values=collector.row_values)


def _row(function: strings.RowFunction, is_proportion: bool, expected: str = EXPECTED, output: str = OUTPUT) -> Recipe:
    collector = strings.RowCollector(function, (function.__name__,), expected, output)
    return _mean(collector, is_proportion=is_proportion)


def _numeric(absolute: float = 0.0, relative: float = 1e-9, expected: str = EXPECTED, output: str = OUTPUT) -> Recipe:
    function = strings.numeric_match(absolute=absolute, relative=relative)
    collector = strings.RowCollector(function, ("numeric_match", absolute, relative), expected, output)
    return _mean(collector, is_proportion=True)


def _json_valid(output: str = OUTPUT) -> Recipe:
    collector = strings.RowCollector(strings.json_valid, ("json_valid",), output=output, needs_expected=False)
    return _mean(collector, is_proportion=True)


def _json_schema(schema: Mapping[str, Any] | None = None, output: str = OUTPUT) -> Recipe:
    if schema is None:
        raise ValueError("give the schema: json_schema(schema={'type': 'object'})")
    key = ("json_schema", repr(schema))
    collector = strings.RowCollector(strings.json_schema(schema), key, output=output, needs_expected=False)
    return _mean(collector, is_proportion=True)


def _definition(name: str, says: str, reference: str, make: Any, package: str = "", **more: Any) -> Definition:
    return Definition(
        name=name,
        family="text",
        says=says,
        reference=reference,
        package=package,
        make=make,
        **{"bounds": "0..1", "interval": "wilson", "kind": MetricKind.PROPORTION, **more},
    )


_OF_CORPUS: Final[dict[str, Any]] = {
    "package": "sacrebleu", "bounds": "0..100", "interval": "bootstrap", "kind": MetricKind.CORPUS,
}  # fmt: skip
_RATE: Final[dict[str, Any]] = {
    "package": "rapidfuzz", "bounds": "0..", "interval": "bootstrap", "kind": MetricKind.CORPUS,
    "lower_is_better": True,
}  # fmt: skip

DEFINITIONS: Final = (
    _definition(
        "bleu", N_("n-grams in common with the references, over the corpus"), "sacrebleu.metrics.BLEU", _bleu,
        forms=_LANGUAGES, **_OF_CORPUS,
    ),
    _definition(
        "sentence_bleu", N_("the mean BLEU of rows"), "sacrebleu.sentence_bleu", _sentence_bleu,
        **{**_OF_CORPUS, "interval": "t", "kind": MetricKind.MEAN},
    ),
    *(
        _definition(
            f"rouge{which}", says, f"rouge_score.RougeScorer([\"rouge{which}\"])", partial(_rouge, which),
            forms=_TOKENS, interval="t", kind=MetricKind.MEAN,
        )
        for which, says in (
            ("1", N_("words in common")), ("2", N_("pairs of words in common")),
            ("L", N_("longest common subsequence")),
            ("Lsum", N_("longest common subsequences of sentences, one a line")),
        )
    ),
    _definition("chrf", N_("character n-grams in common"), "sacrebleu.metrics.CHRF", _chrf, **_OF_CORPUS),
    _definition(
        "chrf++", N_("characters, words and pairs of words in common"), "sacrebleu.metrics.CHRF(word_order=2)",
        _chrf_plus, **_OF_CORPUS,
    ),
    _definition(
        "exact_match", N_("the same text but for case, width and spaces"), "", partial(_row, strings.exact_match, True)
    ),
    _definition("strict_match", N_("the same text"), "", partial(_row, strings.strict_match, True)),
    _definition(
        "squad_em", N_("the same text but for punctuation and articles"), "SQuAD 1.1 evaluate.py",
        partial(_row, strings.squad_match, True),
    ),
    _definition(
        "squad_f1", N_("tokens in common, of the best reference"), "SQuAD 1.1 evaluate.py",
        partial(_row, strings.squad_f1, False), interval="t", kind=MetricKind.MEAN,
    ),
    _definition("wer", N_("word edits by words expected"), "jiwer.wer", partial(_rate, True), **_RATE),
    _definition("cer", N_("character edits by characters expected"), "jiwer.cer", partial(_rate, False), **_RATE),
    _definition("numeric_match", N_("the last number, within a tolerance"), "math.isclose", _numeric),
    _definition("json_valid", N_("share of outputs that are JSON"), "json.loads", _json_valid, needs="output"),
    _definition("json_equal", N_("the same JSON"), "json.loads", partial(_row, strings.json_equal, True)),
    _definition(
        "json_schema", N_("share of outputs that a schema allows"), "jsonschema", _json_schema, package="jsonschema",
        needs="output",
    ),
)  # fmt: skip
