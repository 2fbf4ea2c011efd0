"""Postfix as a backup MX, with the real Postfix in a place of its own."""

import postfix
import pytest
from smtp import rcpt_answers

pytestmark = pytest.mark.needs(*postfix.NEEDS)


def test_a_postfix_of_its_own_serves_in_its_place_and_refuses_strangers():
    with postfix.place() as folder, postfix.start(folder) as server:
        assert rcpt_answers(server.address, ["root@mail.doecom.net", "x@smithnet.com"]) == [250, 454]
        assert server.value("queue_directory") == f"{folder}/var/spool/postfix"
    assert not folder.exists()
