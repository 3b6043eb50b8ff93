"""What could not be told waits, and goes out in one piece."""

from altpeter_matrix.base.errors import HostError, Problem
from altpeter_matrix.notify import outbox
from altpeter_matrix.notify.news import Event, Finding, Message, News
from altpeter_matrix.notify.record import Record
from altpeter_matrix.notify.ways import Sender


class Mailbox:
    def __init__(self, name: str) -> None:
        self.name, self.broken = name, False
        self.got: list[Message] = []

    def send(self, message: Message) -> None:
        if self.broken:
            raise HostError(Problem(self.name, "does not answer", "look"))
        self.got.append(message)

    @property
    def sender(self) -> Sender:
        return Sender(self.name, self.send)


def news(name: str, event: Event = "new", where: str = "here") -> News:
    return News(event, Finding(name, "error", Problem(where, f"{name} is bad", "do"), "x.md"), 0)


def told(record: Record, boxes: list[Mailbox], *items: News) -> Record:
    ways = [one.sender for one in boxes]
    return outbox.sent(outbox.queued(record, ways, items), ways, "example.org")


def test_all_news_of_a_look_go_out_in_one_message_by_each_way() -> None:
    boxes = [Mailbox("mail to a"), Mailbox("webhook at b")]
    record = told(Record(), boxes, news("one"), news("two"))
    for box in boxes:
        (message,) = box.got
        assert "one is bad" in message.text and "two is bad" in message.text
    assert told(record, boxes) == record and len(boxes[0].got) == 1


def test_what_a_way_does_not_take_waits_and_is_told_once() -> None:
    mail, hook = Mailbox("mail to a"), Mailbox("webhook at b")
    mail.broken = True
    record = told(Record(), [mail, hook], news("one"))
    assert (len(hook.got), record.ways["mail to a"].failing) == (1, "does not answer")
    record = told(record, [mail, hook], news("two"))
    mail.broken = False
    record = told(record, [mail, hook])
    (message,) = mail.got
    assert "one is bad" in message.text and "two is bad" in message.text
    assert len(hook.got) == 2
    assert record.ways["mail to a"].failing == "" and not record.ways["mail to a"].waiting


def test_a_way_is_not_used_to_tell_of_itself() -> None:
    mail, hook = Mailbox("mail to a"), Mailbox("webhook at b")
    told(Record(), [mail, hook], news("notify-mail-failed", where="mail to a"))
    assert not mail.got and len(hook.got) == 1


def test_weeks_without_a_way_fill_nothing() -> None:
    mail = Mailbox("mail to a")
    mail.broken = True
    record = told(Record(), [mail], news("x"))
    for _ in range(300):
        record = told(record, [mail], news("x", "still"))
    assert len(record.ways["mail to a"].waiting) == 2
    for number in range(300):
        record = told(record, [mail], news(f"x{number}"))
    assert len(record.ways["mail to a"].waiting) == 100


def test_a_way_that_is_no_more_is_forgotten() -> None:
    mail = Mailbox("mail to a")
    mail.broken = True
    record = told(Record(), [mail], news("x"))
    assert told(record, [Mailbox("mail to b")]).ways.keys() == {"mail to b"}


def test_a_test_that_went_well_ends_the_fault_of_the_way_and_keeps_what_waits() -> None:
    mail = Mailbox("mail to a")
    mail.broken = True
    record = outbox.worked(told(Record(), [mail], news("x")), {"mail to a": True})
    assert record.ways["mail to a"].failing == "" and record.ways["mail to a"].waiting
