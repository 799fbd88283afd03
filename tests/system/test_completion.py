"""Completion in a real bash and a real zsh, typed at on a terminal."""

import os
import pathlib
import pty
import re
import shutil
import signal
import subprocess
import time

import pytest

from harness.daemon import BUILD, environment, run_tool
from harness.place import wait_for

TOP = pathlib.Path(__file__).resolve().parents[2]
COMPLETION = TOP / "contrib/completion"

# What prints the line as it stands, and forgets it.
SHOW = {
    "bash": """\
PS1='ready> '
unset HISTFILE
bind 'set enable-bracketed-paste off'
bind 'set bell-style none'
bind 'set completion-query-items 0'
bind 'set page-completions off'
bind 'set show-all-if-ambiguous on'
show() { printf 'LINE<%%s>\\n' "$READLINE_LINE"; READLINE_LINE=; }
bind -x '"\\C-xs": show'
. %s/mailbrake
""",
    "zsh": """\
PS1='ready> '
unsetopt zle_bracketed_paste beep prompt_cr prompt_sp 2>/dev/null
LISTMAX=1000
fpath=(%s $fpath)
autoload -Uz compinit
compinit -D -u
show() { print -r -- "LINE<$BUFFER>"; BUFFER=; zle redisplay }
zle -N show
bindkey '^Xs' show
unset zle_bracketed_paste
""",
}


class Shell:
    """An interactive shell with completion for the mailbrake of PATH."""

    def __init__(self, place, name, path):
        self.text = ""
        self.name = name
        dir = place.subdir("shell")
        rc = dir / (".zshrc" if name == "zsh" else "rc")
        rc.write_text(SHOW[name] % COMPLETION)
        command = {"bash": ["bash", "--noprofile", "--rcfile", str(rc),
            "-i"], "zsh": ["zsh", "-d", "-i"]}[name]
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            env = environment(TERM="dumb", ZDOTDIR=str(dir), COLUMNS="200",
                LINES="60", HOME=str(dir), PATH="%s:%s" % (path,
                os.environ["PATH"]))
            os.chdir(dir)
            os.execvpe(command[0], command, env)
        os.set_blocking(self.fd, False)
        place.add(self)
        self.wait(r"ready> ")

    def wait(self, pattern, timeout=10):
        def found():
            try:
                while True:
                    data = os.read(self.fd, 65536)
                    if not data:
                        break
                    self.text += data.decode("utf-8", "replace")
            except (BlockingIOError, OSError):
                pass
            return re.search(pattern, self.text)
        return wait_for(found, timeout, lambda: "%r in %s's %r" % (pattern,
            self.name, self.text))

    def type(self, keys):
        """The line after these keys, and all that was shown meanwhile."""
        self.text = ""
        os.write(self.fd, keys.encode() + b"\x18s")
        line = self.wait(r"LINE<(.*)>").group(1)
        return line, self.text

    def line(self, keys):
        return self.type(keys)[0]

    def offers(self, keys):
        """The words that a list of possibilities has."""
        text = self.type(keys + "\t\t")[1]
        return set(text.replace(keys, " ", 1).split())

    def stop_quietly(self):
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.close(self.fd)

    def report(self):
        return self.name, self.text


@pytest.fixture(params=["bash", "zsh"])
def shell(place, request):
    if shutil.which(request.param) is None:
        pytest.skip("%s is not installed" % request.param)
    return lambda path=BUILD: Shell(place, request.param, path)


def help_commands():
    return set(re.findall(r"^  ([a-z-]+)  ", run_tool("help")[1], re.M))


def help_options(*command):
    return set(re.findall(r"^ +(?:-\w, )?(--[a-z-]+)",
        run_tool("help", *command)[1], re.M))


# -- what "mailbrake help" says

def test_every_command_is_offered(shell):
    sh = shell()
    known = help_commands()
    assert len(known) > 7, known
    assert known | {"help"} <= sh.offers("mailbrake ")
    assert known <= sh.offers("mailbrake help ")


def test_every_option_of_every_command_is_offered(shell):
    sh = shell()
    for command in sorted(help_commands()):
        wanted = help_options() | help_options(command)
        assert {"--json", "--config", "--help"} <= wanted, wanted
        # -s and --socket are one line in zsh.
        missing = wanted - {word.strip("=,") for word in
            sh.offers("mailbrake %s --" % command)}
        assert not missing, command


def test_a_command_and_an_option_are_completed(shell):
    sh = shell()
    assert sh.line("mailbrake expl\t") == "mailbrake explain "
    assert sh.line("mailbrake stop mx1 --rea\t").rstrip(" =") == \
        "mailbrake stop mx1 --reason"
    assert sh.line("mailbrake help rel\t") == "mailbrake help reload "


def test_what_later_versions_have_is_completed_too(shell, place):
    """Words of a usage line, and options that only that has."""
    dir = place.subdir("later")
    (dir / "mailbrake").write_text("""#!/bin/sh
case "$*" in
help)	printf 'usage: mailbrake COMMAND\\n\\n  setup   connects\\n' ;;
"help setup")
	printf 'usage: mailbrake setup postfix [--apply|--undo] [--json]\\n\\n'
	printf '      --apply  do it\\n' ;;
*)	exit 3 ;;
esac
""")
    (dir / "mailbrake").chmod(0o755)
    sh = shell(dir)
    assert sh.line("mailbrake se\t") == "mailbrake setup "
    assert sh.line("mailbrake setup p\t") == "mailbrake setup postfix "
    assert sh.line("mailbrake setup postfix --un\t") == \
        "mailbrake setup postfix --undo "
    assert sh.line("mailbrake setup postfix --ap\t") == \
        "mailbrake setup postfix --apply "


# -- what the daemon knows

@pytest.fixture
def known(brake, bl):
    d = brake(settings={"domains": ["brake-sender.test"], "egress": (
        {"name": "mx1", "addresses": ["203.0.113.1"], "transport": "mx1"},
        {"name": "other", "addresses": ["203.0.113.77", "2001:db8::7"],
        "transport": "other"})})
    bl.add("203.0.113.1")
    d.wait_state("stopped")
    d.must("stop", "account:bob")
    return d


def test_targets_are_the_daemons(shell, known):
    sh = shell()
    base = "mailbrake -c %s " % known.conf_path
    offered = sh.offers(base + "stop ")
    assert {"all", "mx1", "other", "203.0.113.1", "203.0.113.77",
        "account:"} <= offered, offered
    assert not {"SPAM", "default", "bl.test", "milter"} & offered
    assert sh.line(base + "send oth\t") == base + "send other "
    assert sh.line(base + "stop acc\t") == base + "stop account:"
    assert sh.line(base + "stop 203.0.113.7\t") == base + \
        "stop 203.0.113.77 "


def test_what_is_behind_a_colon_is_completed(shell, known):
    sh = shell()
    base = "mailbrake -c %s " % known.conf_path
    assert sh.line(base + "stop domain:br\t").replace("\\", "") == base + \
        "stop domain:brake-sender.test "
    assert sh.line(base + "stop 2001:\t").replace("\\", "") == base + \
        "stop 2001:db8::7 "


def test_only_a_word_that_was_said_can_be_taken_back(shell, known):
    sh = shell()
    base = "mailbrake -c %s " % known.conf_path
    assert sh.line(base + "auto \t").replace("\\", "") == base + \
        "auto account:bob "


def test_the_socket_may_be_named(shell, known):
    sh = shell()
    base = "mailbrake --socket=unix:%s " % known.control
    assert sh.line(base + "check br\t") == base + "check brake-sender.test "


def test_files_where_a_file_is_wanted(shell, known):
    sh = shell()
    start = "mailbrake -c %s" % str(known.conf_path)[:-3]
    assert sh.line(start + "\t") == "mailbrake -c %s " % known.conf_path


# -- when it cannot

@pytest.mark.parametrize("how", ["away", "frozen"])
def test_without_an_answer_it_is_quick_and_silent(shell, known, how):
    sh = shell()
    if how == "away":
        known.stop()
    else:
        known.process.send_signal(signal.SIGSTOP)
    keys = "mailbrake -c %s stop oth" % known.conf_path
    start = time.monotonic()
    line, text = sh.type(keys + "\t")
    took = time.monotonic() - start
    if how == "frozen":
        known.process.send_signal(signal.SIGCONT)
    assert line == keys
    assert "mailbrake:" not in text and "rror" not in text, text
    assert took < (3 if how == "frozen" else 2), took
