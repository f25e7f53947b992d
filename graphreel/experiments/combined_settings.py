"""Settings of clips and of series, which have a file each."""

from graphreel.experiments.clip_settings import COMPARED, ClipSettings, CompareSettings
from graphreel.experiments.series_settings import SeriesSettings

__all__ = ["COMPARED", "ClipSettings", "CompareSettings", "SeriesSettings"]
