"""Every link of every page leads somewhere, and every page is reached."""

from __future__ import annotations

import re

import pytest

from tests.documents.pages import ALL, FENCED, PAGES, REPOSITORY

_LINK = re.compile(r"\]\(([^)]+)\)")


def anchors(text: str) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", FENCED.sub("", text), re.M)
    plain = [re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings]
    return {heading.replace(" ", "-") for heading in plain}


def links(page: str) -> list[str]:
    """The targets of links and pictures; a footnote's or an HTML link would be no such."""
    text = FENCED.sub("", ALL[page])
    assert not re.search(r"^\[[^]]+\]: |<a |<img ", text, re.M), "another form of link"
    return _LINK.findall(text)


@pytest.mark.parametrize("page", ALL)
def test_internal_links_lead_somewhere(page: str) -> None:
    for link in links(page):
        if "://" in link:
            continue
        path, _, heading = link.partition("#")
        target = (REPOSITORY / page).parent / path if path else REPOSITORY / page
        assert target.exists(), link
        if heading:
            assert heading in anchors(target.read_text("utf-8")), link


@pytest.mark.parametrize("page", ALL)
def test_no_heading_has_the_anchor_of_another(page: str) -> None:
    headings = re.findall(r"^#+ (.+)$", FENCED.sub("", ALL[page]), re.M)
    # Each version of the changelog has its own "New" and "Changed".
    twice = {heading for heading in headings if headings.count(heading) > 1}
    assert not twice or page == "CHANGELOG.md"


def test_every_page_is_reached_from_the_front_page() -> None:
    reached = {"README.md"}
    new = set(reached)
    while new:
        linked = {
            ((REPOSITORY / page).parent / link.partition("#")[0]).resolve()
            for page in new
            for link in links(page)
            if ".md" in link and "://" not in link
        }
        names = {str(file.relative_to(REPOSITORY)) for file in linked}
        new = (names & PAGES.keys()) - reached
        reached |= new
    assert reached == set(PAGES)


@pytest.mark.parametrize("page", ALL)
def test_files_that_are_named_exist(page: str) -> None:
    pattern = r"(?<![\w/.-])((?:systemd|config|bridge|tests|debian|docs)/[\w./-]+\.\w+)"
    for name in re.findall(pattern, ALL[page]):
        assert (REPOSITORY / name).exists() or (REPOSITORY / "bridge" / name).exists(), name


def test_the_front_page_is_short() -> None:
    assert ALL["README.md"].count("\n") <= 150
