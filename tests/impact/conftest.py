"""Departments that are small enough to be checked by hand."""

from typing import Any

import pytest

W = 168


@pytest.fixture
def told() -> dict[str, Any]:
    """A department as a document: two modalities, three classes, and everything that may be said."""
    return {
        "name": "Invented General",
        "classes": [{"name": "stroke", "rank": 0}, {"name": "urgent", "rank": 1}, {"name": "elective", "rank": 2}],
        "hours": {"office": {"day": [0] * 8 + [1] * 9 + [0] * 7, "days": [1, 1, 1, 1, 1, 0, 0]}},
        "modalities": [
            {
                "name": "CT",
                "devices": 2,
                "exam_minutes": {"mean": 15, "variation": 0.5, "source": "counted"},
                "reading_minutes": 12,
                "exams": [
                    {"class": "stroke", "per_week": 21},
                    {"class": "urgent", "per_week": 250},
                    {"class": "elective", "per_week": 120, "hours": "office"},
                ],
                "disk": {"free_gb": 20, "exam_gb": 0.5},
            },
            {
                "name": "CR",
                "devices": [1] * 8 + [2] * 12 + [1] * 4,
                "exam_minutes": 8,
                "reading_minutes": 3,
                "exams": [
                    {"class": "urgent", "per_week": 500},
                    {"class": "elective", "per_week": 200, "hours": "office"},
                ],
            },
        ],
        "readers": [{"name": "general", "count": 3}],
        "services": [
            {"name": "stroke", "class": "stroke", "modalities": ["CT"], "start_minutes": 25, "result_minutes": 45},
            {"name": "emergency", "class": "urgent", "result_minutes": 120, "declared_mtd_minutes": 240},
        ],
        "delivery_minutes": 5,
        "messages": {"per_exam": 6, "background_per_hour": 200, "seconds_each": 0.1},
        "reconciliation": {"match_minutes": 3, "people": 2},
        "unit_values": {"currency": "EUR", "lost_exam": 100, "outage_hour": 10},
    }


@pytest.fixture
def outage() -> dict[str, Any]:
    """A day without the network, as a document."""
    return {"name": "a day", "scope": "network", "start_hour": 10, "hours": 24, "deferred": {"elective": 0.5}}
