"""The samples, and the README's first call, as a reader runs them."""

import os
import pty
import re
import subprocess
import sys
import tarfile
import zipfile

import pytest
from conftest import CLIENT, ROOT

SAMPLES = CLIENT / "samples"


def run(command, **options):
    """The output of a program that must not fail."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, **options)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_basic(daemon):
    assert run([sys.executable, SAMPLES / "basic.py", daemon.socket]).splitlines() == [
        "replayed: True",
        "UP    Very helpful response!",
        "DOWN  The second half was made up",
        "NONE  Noted",
        "variant B: 50 % of 3 approve",
    ]


def test_hooks(daemon):
    assert run([sys.executable, SAMPLES / "hooks.py", daemon.socket]).splitlines() == [
        "refused: please say what was wrong",
        "up Great! sample",
        "stored: {'up': 1}",
    ]


def test_errors(daemon):
    assert run([sys.executable, SAMPLES / "errors.py", daemon.socket]).splitlines() == [
        "session_id must be 1 to 255 bytes, is empty",
        "comment must be at most 10000 code points, has 20000",
        "no such session",
        "UNAVAILABLE: cannot connect to feedbackd at /nowhere/feedbackd.sock: "
        "No such file or directory",
    ]


class Terminal:
    """A program in a pseudo-terminal, and somebody who reads and types."""

    def __init__(self, command):
        self.pid, self._terminal = pty.fork()
        if self.pid == 0:
            os.execv(command[0], command)
        self.screen = ""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        os.close(self._terminal)

    def read_until(self, text):
        """Reads what has come since the last time, up to that text."""
        while text not in self.screen:
            try:
                data = os.read(self._terminal, 1024)
            except OSError:
                data = b""
            assert data, f"the program ended before it said {text!r}: {self.screen}"
            self.screen += data.decode().replace("\r\n", "\n")
        before, _, self.screen = self.screen.partition(text)
        return before

    def type(self, line):
        os.write(self._terminal, line.encode())

    def wait(self):
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


THUMB = "Enter for neither: "


def agent(daemon):
    return Terminal([sys.executable, str(SAMPLES / "agent.py"), daemon.socket])


def test_the_agent_takes_thumbs_from_the_terminal(daemon, client):
    with agent(daemon) as terminal:
        terminal.read_until("you> ")
        terminal.type("How is the weather?\n")
        terminal.read_until("agent> Take an umbrella")
        terminal.read_until(THUMB)
        terminal.type("+\n")
        terminal.read_until("you> ")
        terminal.type("Why?\n")
        terminal.read_until(THUMB)
        terminal.type("?\n")
        terminal.read_until("Please type + or - or nothing.")
        terminal.read_until(THUMB)
        terminal.type("-\n")
        terminal.read_until("what was wrong? ")
        terminal.type("no answer at all é\n")
        terminal.read_until("you> ")
        terminal.type("Thanks\n")
        terminal.read_until("agent> You said: Thanks")
        terminal.read_until(THUMB)
        terminal.type("\n")
        terminal.read_until("you> ")
        terminal.type("\n")
        terminal.read_until(
            "3 answers: 1 up, 1 down, 1 without a thumb; approval 50 %\nwrong: no answer at all é\n"
        )
        assert terminal.wait() == 0
    stored = [(one.rating.value, one.comment, one.agent_id) for one in client.list_feedbacks()]
    assert stored == [
        ("up", "", "sample-agent"),
        ("down", "no answer at all é", "sample-agent"),
        (None, "", "sample-agent"),
    ]


def test_the_agent_goes_on_without_a_daemon_and_records_when_it_is_back(durable_daemon):
    with agent(durable_daemon) as terminal:
        terminal.read_until("you> ")
        durable_daemon.stop()
        terminal.type("Hello\n")
        terminal.read_until(THUMB)
        terminal.type("+\n")
        durable_daemon.start()
        terminal.read_until("you> ")
        # Control-D, the end of the input.
        terminal.type("\x04")
        terminal.read_until("1 answers: 1 up")
        assert terminal.wait() == 0


@pytest.fixture(scope="module")
def fresh_environment(tmp_path_factory):
    """An empty virtual environment with nothing but `pip install ./clients/python`."""
    folder = tmp_path_factory.mktemp("environment")
    run([sys.executable, "-m", "venv", folder])
    pip = [folder / "bin/python", "-m", "pip", "--quiet", "--disable-pip-version-check"]
    run([*pip, "install", "./clients/python"], cwd=ROOT)
    return folder / "bin"


def test_the_wheel_and_the_source_distribution_have_the_license(tmp_path):
    run([sys.executable, "-m", "hatchling", "build", "-d", tmp_path], cwd=CLIENT)
    (wheel,) = tmp_path.glob("*.whl")
    (source,) = tmp_path.glob("*.tar.gz")
    license = (ROOT / "LICENSE").read_bytes()
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith("licenses/LICENSE")]
        assert archive.read(name) == license
    with tarfile.open(source) as archive:
        assert archive.extractfile(f"{source.name[:-7]}/LICENSE").read() == license


def test_it_depends_on_protobuf_alone(fresh_environment):
    command = [fresh_environment / "python", "-m", "pip", "list", "--format", "freeze"]
    names = {line.partition("==")[0] for line in run(command).splitlines()}
    assert names - {"pip", "setuptools"} == {"feedbackd", "protobuf"}


README = re.findall(
    r"^```python\n(.*?)^```$", (CLIENT / "README.md").read_text(), re.MULTILINE | re.DOTALL
)


def test_the_readmes_ten_lines_work_as_printed(fresh_environment, durable_daemon):
    """Only the daemon's address is told, as FEEDBACKD_SOCKET."""
    program = README[0]
    assert len(program.splitlines()) <= 10
    environment = os.environ | {"FEEDBACKD_SOCKET": durable_daemon.socket}
    command = [fresh_environment / "python", "-c", program]
    output = run(command, env=environment, cwd="/")
    promised = [
        line.partition("# ")[2] for line in program.splitlines() if "print" in line and "# " in line
    ]
    assert output.splitlines() == promised


@pytest.mark.parametrize("program", README, ids=lambda program: program.splitlines()[0])
def test_the_readmes_other_programs_run(daemon, program):
    """With this daemon's socket instead of the usual one."""
    program = program.replace("/run/feedbackd/feedbackd.sock", daemon.socket)
    environment = os.environ | {"FEEDBACKD_SOCKET": daemon.socket}
    run([sys.executable, "-W", "error", "-c", program], env=environment)
