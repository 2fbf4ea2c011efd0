"""What the README shows is what happens."""


import pytest
from sandbox import CHECKOUT


@pytest.mark.needs("mounts", "rpm", "networks", "iproute", "nsd", "mailfront")
def test_each_session_of_the_readme_gives_the_output_that_it_shows(tmp_path):
    import readme
    readme.packages(tmp_path)
    typed = list(readme.sessions((CHECKOUT / "README.md").read_text()))
    assert len(typed) >= 15
    replay = readme.Replay(tmp_path)
    try:
        for prompt, command, shown in typed:
            assert replay.type(prompt, command) == [line for line in shown if line.strip()], command
    finally:
        replay.close()
