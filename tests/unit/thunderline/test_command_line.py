import pytest

from thunderline.command_line import needs_servers


@pytest.mark.parametrize(
    ("line", "needed"),
    [
        ("manage.py", False),
        ("manage.py help", False),
        ("manage.py up", False),
        ("manage.py down", False),
        ("manage.py migrate", True),
        ("manage.py migrate --help", False),
        ("manage.py shell -c 1", True),
    ],
)
def test_which_commands_need_servers(line: str, needed: bool) -> None:
    assert needs_servers(line.split()) is needed
