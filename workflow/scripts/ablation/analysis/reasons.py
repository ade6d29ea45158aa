"""Why a claim has its verdict, in plain sentences. No torch.

In: a claim, its evidence and the verdicts by the selected and by the last epoch. Out: a text.
"""

from __future__ import annotations

from ablation.analysis.evidence import CONTRADICTED, EQUIVALENT, SUPPORTED, UNDECIDED, Evidence
from ablation.config.claims import Claim, Fact, Greater, Reaches, Similar

# By the kind of a claim and its verdict.
SHOWN = {
    ("greater", SUPPORTED): "The difference is shown to be above {bound}.",
    ("greater", CONTRADICTED): "The difference is shown to be below {bound}.",
    ("greater", EQUIVALENT): "They are shown to differ by less than {margin}.",
    ("similar", SUPPORTED): "They are shown to differ by less than {margin}.",
    ("similar", CONTRADICTED): "They are shown to differ by more than {margin}.",
    ("steadier", SUPPORTED): "The ratio is shown to be {side} one.",
    ("steadier", CONTRADICTED): "The ratio is shown to be {side} one.",
    ("ratio", SUPPORTED): "The ratio is shown to be {side} one.",
    ("ratio", CONTRADICTED): "The ratio is shown to be {side} one.",
    (
        "reaches",
        SUPPORTED,
    ): "A further run may well be as good as the reported one, and the mean is shown to be less than "
    "{margin} below it.",
    ("reaches", CONTRADICTED): "A further run is shown not to be as good as the reported one.",
    ("fact", SUPPORTED): "It is the reported number, give or take {tolerance}.",
    ("fact", CONTRADICTED): "It is not the reported number, give or take {tolerance}.",
    ("fewer_epochs", SUPPORTED): "It is shown that fewer epochs are needed.",
    ("fewer_epochs", CONTRADICTED): "It is shown that more epochs are needed.",
}
# The level at which a single test would have been enough.
ALONE = 0.05


def reason(claim: Claim, evidence: Evidence, verdict: str, by_last: str, margin: float) -> str:
    """Why this verdict. `by_last` is that by the last epoch's accuracy, empty where there is none."""
    texts = [evidence.undecided or evidence.note]
    points = f"{margin:g} points"
    if verdict != UNDECIDED:
        texts.append(_shown(claim, evidence, verdict, points))
    elif not evidence.undecided:
        texts.append(_not_shown(claim, evidence, points))
    if by_last and by_last != verdict:
        texts.append(f"By the last epoch's accuracy, which no selection has touched, it is {by_last}.")
    return " ".join(filter(None, texts))


def _shown(claim: Claim, evidence: Evidence, verdict: str, points: str) -> str:
    text = SHOWN[claim.kind, verdict].format(
        margin=points,
        bound=points if isinstance(claim, Greater) and claim.by else "zero",
        side="below" if evidence.estimate < 1 else "above",
        tolerance=f"{claim.tolerance:,}" if isinstance(claim, Fact) else "",
    )
    several = isinstance(claim, Greater | Similar) and len(claim.rows) > 2
    return f"{text} Of all pairs this one decides." if several else text


def _not_shown(claim: Claim, evidence: Evidence, points: str) -> str:
    if isinstance(claim, Similar):
        return f"It is shown neither that they differ by less than {points} nor that they differ by more."
    if isinstance(claim, Reaches):
        return (
            f"A further run may be as good, but the mean is not shown to be less than {points} below the reported one."
        )
    if isinstance(claim, Greater) and claim.by and evidence.low > 0:
        return f"There is a difference, but it is not shown to be more than {points}."
    if evidence.p <= ALONE:
        return "Alone it would be shown; among all claims of this section, with further looks allowed for, it is not."
    return "The difference is within what the seeds vary by."
