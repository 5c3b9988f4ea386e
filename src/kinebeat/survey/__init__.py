"""A listening test like the papers': a page that asks which sound fits a movement, and what the answers say."""

from __future__ import annotations

from kinebeat.survey.making import SurveySettings, make_survey
from kinebeat.survey.tally import tally

__all__ = ["SurveySettings", "make_survey", "tally"]
