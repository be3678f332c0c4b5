"""When a prepaid period ends. Calendar periods, in UTC."""

from datetime import UTC, datetime, timedelta
from typing import Literal

Period = Literal["Hour", "Day", "Week", "Month"]


def end_of(period: Period, when: datetime) -> datetime:
    """The first instant after the period that `when` lies in. Weeks begin on Monday (ISO 8601)."""
    when = when.astimezone(UTC)
    hour = when.replace(minute=0, second=0, microsecond=0)
    day = hour.replace(hour=0)
    if period == "Hour":
        return hour + timedelta(hours=1)
    if period == "Day":
        return day + timedelta(days=1)
    if period == "Week":
        return day + timedelta(days=7 - day.weekday())
    return (day.replace(day=1) + timedelta(days=32)).replace(day=1)
