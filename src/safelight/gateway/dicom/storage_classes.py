"""Which SOP classes are instances that may be stored: all, private ones too, but those of services that carry none."""

from typing import Final

# Services that carry no instances: query and retrieve, worklist and procedure step, storage commitment, printing.
# Where the house does not serve one, saying so in the negotiation lets a peer's operator see it at once.
NO_INSTANCES: Final = (
    "1.2.840.10008.5.1.4.1.2.",
    "1.2.840.10008.5.1.4.31",
    "1.2.840.10008.5.1.4.32.",
    "1.2.840.10008.3.1.2.",
    "1.2.840.10008.1.20.",
    "1.2.840.10008.1.40",
    "1.2.840.10008.5.1.1.",
    # Notifications, verifications, unified procedure steps, relevant patients, products, live streams.
    "1.2.840.10008.1.9",
    "1.2.840.10008.1.42",
    "1.2.840.10008.10.",
    "1.2.840.10008.5.1.4.33",
    "1.2.840.10008.5.1.4.34.",
    "1.2.840.10008.5.1.4.37.",
    "1.2.840.10008.5.1.4.41",
    "1.2.840.10008.5.1.4.42",
    # Queries and retrieves of protocols, inventories, hanging protocols, palettes and implants.
    *(f"1.2.840.10008.5.1.4.1.1.200.{number}" for number in (4, 5, 6)),
    *(f"1.2.840.10008.5.1.4.1.1.201.{number}" for number in (2, 3, 4, 5, 6)),
    "1.2.840.10008.5.1.4.20.",
    "1.2.840.10008.5.1.4.38.",
    "1.2.840.10008.5.1.4.39.",
    "1.2.840.10008.5.1.4.43.",
    "1.2.840.10008.5.1.4.44.",
    "1.2.840.10008.5.1.4.45.",
)
# Instances whose classes lie among those: stored print and hardcopy images, delivery instructions, hanging protocols,
# palettes, implant templates.
INSTANCES_NEVERTHELESS: Final = (
    "1.2.840.10008.5.1.1.27",
    "1.2.840.10008.5.1.1.29",
    "1.2.840.10008.5.1.1.30",
    "1.2.840.10008.5.1.4.34.1",
    "1.2.840.10008.5.1.4.34.7",
    "1.2.840.10008.5.1.4.34.10",
    "1.2.840.10008.5.1.4.38.1",
    "1.2.840.10008.5.1.4.39.1",
    "1.2.840.10008.5.1.4.43.1",
    "1.2.840.10008.5.1.4.44.1",
    "1.2.840.10008.5.1.4.45.1",
)


def carries_instances(sop_class: str) -> bool:
    """Whether to accept a SOP class: everything that may be stored, private ones too, and verification."""
    return sop_class in INSTANCES_NEVERTHELESS or not sop_class.startswith(NO_INSTANCES)
