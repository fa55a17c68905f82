"""The page of a report, findings first, then every table. It is one file that needs nothing from elsewhere, light and
dark."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from lmf_sr.reporting.figures import Figure
from lmf_sr.reporting.formats import used_sources
from lmf_sr.reporting.paper_tables import NOTHING, PaperTable
from lmf_sr.reporting.study import Study
from lmf_sr.results.table import text_of

TEMPLATE = Path(__file__).with_name("page.html")


def html_of(
    title: str, study: Study, tables: Sequence[PaperTable], figures: Sequence[Figure], unfinished: Sequence[str]
) -> str:
    """The page as HTML, the same for the same records. `unfinished` names the jobs that are not done, with the reasons."""
    templates = Environment(loader=FileSystemLoader(TEMPLATE.parent), autoescape=True, undefined=StrictUndefined)
    return templates.get_template(TEMPLATE.name).render(
        title=title,
        summary=_summary(study),
        tables=tables,
        figures=figures,
        provenance=provenance(study),
        unfinished=unfinished,
        text_of=text_of,
        nothing=NOTHING,
        sources=used_sources,
    )


def provenance(study: Study) -> dict[str, str]:
    """The provenance of the records: what they have in common, and where, when and with what they were made."""
    environments = [record.environment for record in study.records]
    days = sorted({datetime.fromisoformat(record.started).date().isoformat() for record in study.records})
    seconds = sum(record.duration_s for record in study.records)
    return {
        "records": f"{len(study.records)}, which took {seconds / 60:,.1f} minutes in all",
        "made": " to ".join([*days[:1], *days[1:][-1:]]),
        "seeds": _joined(str(finding.seed) for finding in study.findings),
        "all models": _joined(study.common) or "have nothing in common",
        "machines": _joined(finding.machine for finding in study.findings),
        "revision": _joined(str(environment["revision"] or "not a checkout") for environment in environments),
        "versions": _joined(
            f"{package} {version}" for e in environments for package, version in e["versions"].items() if version
        ),
    }


def _summary(study: Study) -> str:
    if not study.findings:
        return "No record of an evaluation or profile was found."
    models = _joined(study.label(subject) for subject in study.main)
    return f"{len(study.records)} result records, of {models}. A cell with ± is mean and standard deviation over seeds."


def _joined(items: Iterable[str]) -> str:
    return ", ".join(dict.fromkeys(items))
