"""Settings of sequence tasks and of texts, which have a file each."""

from graphreel.experiments.task_settings import PALINDROME_FORGET_BIAS, TaskSettings
from graphreel.experiments.text_settings import TextSettings

__all__ = ["PALINDROME_FORGET_BIAS", "TaskSettings", "TextSettings"]
