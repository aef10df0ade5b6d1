"""The dialogue of AskOnTerminal in Wine's console, which is a pseudo-terminal here: ask.py RUNNER... PROGRAM."""
import os
import pty
import re
import select
import subprocess
import sys
import tty

LONG = "60000"
QUESTION = "Terminate it?"
ANSWER = r"answer ([01]) (\d+)\s"


class Session:
    def __init__(self, *arguments):
        self.master, slave = pty.openpty()
        tty.setraw(slave)  # Wine reads keys: '\r' is Enter
        self.process = subprocess.Popen(
            [*sys.argv[1:], *arguments], stdin=slave, stdout=slave, stderr=slave, start_new_session=True
        )
        os.close(slave)
        self.shown = ""

    def type(self, text):
        os.write(self.master, text.encode())

    def wait_for(self, pattern):
        """The match, as soon as it is shown. Wine shows spaces by moves of the cursor."""
        while True:
            moved = re.sub(r"\x1b\[(\d+)C", lambda move: " " * int(move[1]), self.shown)
            plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b\][^\x07]*\x07", "", moved)
            if match := re.search(pattern, plain):
                return match
            readable, _, _ = select.select([self.master], [], [], 60)
            assert readable, f"nothing shows {pattern}: {self.shown!r}"
            try:
                self.shown += os.read(self.master, 4096).decode(errors="replace")
            except OSError as error:  # the end
                raise AssertionError(f"nothing shows {pattern}: {self.shown!r}") from error

    def outcome(self):
        answer = self.wait_for(ANSWER)
        # The end of the terminal comes with the end of the process.
        try:
            while os.read(self.master, 4096):
                pass
        except OSError:
            pass
        self.process.wait()
        os.close(self.master)
        return answer[1] == "1", int(answer[2])


def ask(*keys, limit=LONG):
    session = Session(limit)
    session.wait_for(re.escape(QUESTION))
    assert "127.0.0.1:80 is held by old.exe (pid 4711)" in session.shown, session.shown
    for key in keys:
        session.type(key)
    return session.outcome()


for text, expected in (("y\r", True), ("yes\r", True), ("Y\r", True), ("n\r", False), ("\r", False), ("yy\r", False)):
    assert ask(text)[0] is expected, text

said_yes, took = ask(limit="300")
assert not said_yes and 300 <= took < 30000, took
said_yes, took = ask("y", limit="300")  # without Enter
assert not said_yes and 300 <= took < 30000, took

session = Session("300", "typed-ahead")
session.wait_for(r"type\s")
session.type("y\r")
said_yes, took = session.outcome()
assert not said_yes and took >= 300, took
print("The console dialogue: all passed")
