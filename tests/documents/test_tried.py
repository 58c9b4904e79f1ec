"""No block of a page is left untried: each has a test that runs it, or reads it with its reader."""

from __future__ import annotations

import ast
import re

import pytest

from tests.documents.pages import ALL, BLOCKS, REPOSITORY, Block

#: A page, a heading of it (* is any other), and the test, or a step of one, that takes the block
#: from there. ``toml`` is not here: `check` reads every block of it (test_snippets.py).
TRIED = """
    CHANGELOG.md | Upgrading from 0.1.0 | packaging/test_guide.py test_the_guide_by_pip
    README.md | Five minutes to a first real message | packaging/test_guide.py set_up
    README.md | The way of a message | documents/test_shown.py test_a_diagram_of_a_sequence
    architecture.md | Failures and exceptions | test_repository.py test_the_tree_of_exceptions
    architecture.md | Rooms | test_architecture.py test_the_page_on_the_architecture_draws
    benchmarks.md | Benchmarks | test_documents.py test_the_documented_benchmark_runs
    commands.md | * | documents/test_tables.py test_the_page_on_commands_is_made_from_their_help
    directory.md | * | documents/test_typed.py test_the_page_on_the_directory
    installation.md | By the Debian package | packaging/test_guide.py installing
    installation.md | By pip | packaging/test_guide.py installing
    installation.md | Secrets | packaging/test_guide.py test_the_guide_by_pip
    installation.md | Tokens | packaging/test_guide.py tokens
    installation.md | Certificates | packaging/test_guide.py certificates
    installation.md | Ports below 1024 | packaging/test_guide.py test_the_guide_by_pip
    installation.md | Upgrade | packaging/test_guide.py test_the_guide_by_pip
    installation.md | Removal | packaging/test_guide.py test_the_guide_by_pip
    mail.md | Sending by mail | test_documents.py test_every_number_form_and_tag_is_read
    metrics.md | Metrics and alerts | documents/test_snippets.py test_prometheus_takes
    migration/jasmin.md | Before | recipes/test_jasmin.py test_jasmin
    migration/kannel.md | Before | recipes/test_migration.py test_bearerbox_takes_the_former
    migration/playsms.md | Before | recipes/test_migration.py test_the_former_call_of_playsms
    migration/playsms.md | After: playSMS stays | recipes/test_migration.py test_the_gateway_generic
    migration/playsms.md | After: programs call the bridge | recipes/test_migration.py test_the_call
    migration/postfix-pipe.md | Before | recipes/test_migration.py test_postfix_called_the_script
    migration/postfix-pipe.md | After | recipes/test_migration.py test_postfix_relays_in_place
    migration/smsgate.md | Before | recipes/test_migration.py test_a_function_takes_the_place
    migration/smsgate.md | After: HTTP | recipes/test_migration.py test_the_call_of_the_page_sends
    nodes.md | Setting up | documents/test_nodes.py test_the_page_sets_the_database_up
    nodes.md | What the database needs | documents/test_nodes.py test_postgresql_knows
    operations.md | What became of a message | documents/test_shown.py test_the_lines_of_the_trace
    operations.md | * | documents/test_typed.py test_the_pages_on_operation
    recipes.md | Django | recipes/test_mail_programs.py test_django
    recipes.md | Exim | recipes/test_mail_programs.py test_exim
    recipes.md | Grafana | recipes/test_grafana.py test_the_recipe_of_grafana
    recipes.md | Icinga 2 | recipes/test_monitoring.py test_icinga
    recipes.md | Jasmin | recipes/test_jasmin.py test_jasmin
    recipes.md | Kannel | recipes/test_smpp_clients.py test_kannel
    recipes.md | Nagios | recipes/test_monitoring.py test_nagios
    recipes.md | OpenSMTPD | recipes/test_mail_programs.py test_opensmtpd
    recipes.md | PHP | recipes/test_mail_programs.py test_php_mail
    recipes.md | Postfix | recipes/test_mail_programs.py test_postfix
    recipes.md | Prometheus Alertmanager | recipes/test_alertmanager.py test_an_alert
    recipes.md | msmtp | recipes/conftest.py msmtprc
    recipes.md | node-smpp | recipes/test_smpp_clients.py test_node_smpp
    recipes.md | php-smpp | documents/test_snippets.py test_php_can_read_it
    sandbox.md | * | documents/test_typed.py test_the_pages_on_operation_and_on_the_sandbox
    smpp.md | Receipts | documents/test_shown.py test_the_text_of_a_receipt
    smsc.md | Setting it up | documents/test_typed.py test_the_page_on_the_smsc_dialect
    webhooks.md | Webhooks | packaging/test_guide.py webhooks
"""
ROWS = [[cell.strip() for cell in row.split("|")] for row in TRIED.strip().splitlines()]
#: (page, heading) → the file under ``tests``, and how the name of the test begins.
PLACES = {(page, heading): test.split() for page, heading, test in ROWS}


def place(block: Block) -> tuple[str, str]:
    page = block.page.removeprefix("docs/")
    return (page, block.heading if (page, block.heading) in PLACES else "*")


def test_no_block_is_indented_and_so_overlooked() -> None:
    for page, text in ALL.items():
        assert not re.search(r"^[ \t>]+```", text, re.M), page


def test_every_block_is_tried_by_a_test() -> None:
    places = {place(block) for block in BLOCKS if block.language != "toml"}
    assert places == PLACES.keys()


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row[0]}-{row[1]}")
def test_the_test_is_there_and_names_the_page(row: list[str]) -> None:
    page, heading, test = row
    file, name = test.split()
    source = (REPOSITORY / "tests" / file).read_text("utf-8")
    names = [
        node.name
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    assert any(one.startswith(name) for one in names), name
    stem = page.rpartition("/")[2].removesuffix(".md")
    assert heading in source or stem in source or "BLOCKS" in source
