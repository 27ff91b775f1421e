from rich.table import Table

from dambench_hub.runtime.command_line import WIDTH, parser_of, table_console


def test_the_docstring_is_the_help():
    text = parser_of("What it does.\n\nAnd how,\n  line by line.").format_help()
    assert text.index("What it does.") < text.index("options:") < text.index("  line by line.")


def test_without_a_terminal_tables_are_not_cut(capsys):
    table = Table("name", "value")
    table.add_row("x" * (WIDTH // 2), "y" * (WIDTH // 3))
    table_console().print(table)
    assert "y" * (WIDTH // 3) in capsys.readouterr().out
