"""Restore recipes: what is known of each kind of target.

A resend can be answered with success without anything being stored, and a query finds rows whose files are gone. So
every recipe proves by fetching back, and says which level of the ladder is enough for this kind of target.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import ClassVar, Final

from safelight.core.errors import UsageError
from safelight.core.names import AETitle
from safelight.recovery.facts import Level

CALLING_TITLE: Final = AETitle("SAFELIGHT_REFILL")
"""The title a refill calls with unless the site sets another: targets can then keep routing away from it."""


class SideEffectsNotAccepted(UsageError):
    """A refill may set things off at the target, and nobody said that this was looked at."""

    code: ClassVar[str] = "recovery.side-effects-not-accepted"
    hint: ClassVar[str] = "Look at each question of the dry run, then start again with --accept-side-effects."


class CallingTitleShared(UsageError):
    """A refill must call with a title of its own, or the target cannot tell it from live acquisition."""

    code: ClassVar[str] = "recovery.calling-title-shared"
    hint: ClassVar[str] = "Set calling_ae_title in section recovery to a title that no device and no gateway uses."


class UnknownRecipe(UsageError):
    """There is no such recipe."""

    code: ClassVar[str] = "recovery.unknown-recipe"
    hint: ClassVar[str] = "Choose auto, orthanc, dcm4chee, generic or folder."


@dataclass(frozen=True, slots=True)
class Question:
    """Something a refill may set off at the target."""

    code: str
    text: str


QUESTIONS: Final = (
    Question("routing", "Will the target forward what it receives to other archives, or to the cloud?"),
    Question("processing", "Will AI or other image processing start on every study that arrives?"),
    Question("notification", "Will referrers, patients or reporting worklists be told of studies that are years old?"),
    Question("billing", "Will arriving studies complete orders, or set off billing?"),
    Question("retention", "Will the target expire or move old studies as soon as they arrive?"),
)

NOT_BROUGHT_BACK: Final = (
    "reports that are not DICOM objects",
    "proprietary annotations and key-image marks",
    "read status and reporting worklists",
    "routing and forwarding rules",
    "tables of AE titles and users",
)
"""What no refill by DICOM brings back, whatever the target."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """How one kind of target is refilled and proven."""

    name: str
    title: str
    required: Level
    """The level each instance must reach to count as confirmed."""
    advice: tuple[str, ...] = ()
    """What its administrator should set before the refill."""
    side_effects: bool = True
    """Whether a refill may set things off there."""


RECIPES: Final = {
    recipe.name: recipe
    for recipe in (
        Recipe(
            "orthanc",
            "Orthanc",
            Level.ATTRIBUTES,
            (
                "An empty Orthanc needs nothing. One that still has its index answers success to a resend and stores "
                'nothing: set "OverwriteInstances": true for the time of the refill, or give --target-url and '
                "--repair-target.",
                'Give our calling AE title C-STORE and C-GET in "DicomModalities".',
                "Orthanc keeps read files in memory: what it gives back may not be on its disk. Restart it before a "
                "confirmation that must count, or set MaximumStorageCacheSize to 0.",
            ),
        ),
        Recipe(
            "dcm4chee",
            "dcm4chee-arc",
            Level.ATTRIBUTES,
            (
                "Where the database survived, set the overwrite policy to EVEN_WITH_EQUAL_DIGEST for our calling AE "
                "title: the other policies answer success and keep the lost location.",
                "Switch on retrieval as received, or attributes of the database are merged into what comes back.",
            ),
        ),
        Recipe(
            "generic",
            "DICOM archive",
            Level.ATTRIBUTES,
            ("Let our calling AE title store and retrieve (C-GET, or C-MOVE to our AE title and port).",),
        ),
        Recipe("folder", "Folder of Part 10 files", Level.BYTES, side_effects=False),
    )
}

MAY_BE_ORTHANC: Final = "may-be-orthanc"
RESEND_IS_IGNORED: Final = "resend-is-ignored"
CANNOT_BE_FETCHED_BACK: Final = "cannot-be-fetched-back"
REMARKS: Final = {
    MAY_BE_ORTHANC: "may be an Orthanc: give --target-url http://HOST:8042, so that its own traps are seen",
    RESEND_IS_IGNORED: 'ignores a resend of what it lists: set "OverwriteInstances" there, or give --repair-target',
    CANNOT_BE_FETCHED_BACK: "gives nothing back, so that nothing can be confirmed: let our AE title retrieve there",
}
"""What the probe of a target remarks, in words for whoever runs the recovery."""

_KINDS: Final = (
    ("1.2.40.0.13.1.", "dcm4chee"),
    ("1.3.6.1.4.1.30071.", "generic"),
    ("1.2.826.0.1.3680043.9.3811.", "generic"),
)
"""Roots of implementation class UIDs. Orthanc names itself as the DICOM library it is built with, so that its REST
interface or the person must say that it is one."""


def recipe_named(name: str) -> Recipe:
    """Return a recipe by its name.

    Raises:
        UnknownRecipe: there is none.
    """
    recipe = RECIPES.get(name)
    if recipe is None:
        raise UnknownRecipe(recipe=name)
    return recipe


def recipe_for(implementation_class: str, implementation_version: str) -> Recipe:
    """Choose a recipe by what the target says of its implementation.

    Source: PS3.7 Annex D.3.3.2, implementation identification.
    """
    if "ORTHANC" in implementation_version.upper():
        return RECIPES["orthanc"]
    name = next((name for root, name in _KINDS if implementation_class.startswith(root)), "generic")
    return RECIPES[name]


def may_hide_orthanc(implementation_version: str) -> bool:
    """Whether an Orthanc may stand behind this implementation: it answers as DCMTK does."""
    return implementation_version.upper().startswith("OFFIS_DCMTK")


def open_questions(recipe: Recipe, accepted: Collection[str]) -> Sequence[Question]:
    """Return what somebody must still look at before a refill; ``all`` accepts everything."""
    if not recipe.side_effects or "all" in accepted:
        return ()
    return [question for question in QUESTIONS if question.code not in accepted]


def preflight(recipe: Recipe, accepted: Collection[str], calling: AETitle, ours: Collection[AETitle]) -> None:
    """Refuse to begin while a side effect is not accepted or the calling title is not the refill's own.

    Raises:
        SideEffectsNotAccepted: names the questions.
        CallingTitleShared: names the title.
    """
    questions = open_questions(recipe, accepted)
    if questions:
        raise SideEffectsNotAccepted(questions=",".join(question.code for question in questions))
    if recipe.side_effects and calling in ours:
        raise CallingTitleShared(title=calling.text)
