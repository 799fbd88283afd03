/*
 * test_child.c - other people's programs, run without waiting for them
 */
#include "unit.h"

#include <sys/stat.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <event2/event.h>

#include "base/aside.h"
#include "base/child.h"
#include "base/clock.h"
#include "base/mem.h"

#define DEADLINE_MS	10000

static struct event_base *base;
static struct children *children;

/* What came of one program; a test may have several. */
struct seen {
	int		 calls;
	enum child_end	 end;
	int		 code;
	bool		 cut;
	size_t		 out_bytes, long_lines, lines;
	int64_t		 took_ms, at_ms;
	char		 out[2000], err[2000], text[CHILD_TEXT_MAX];
	char		 last[200];
	struct child	*cancel;
};

static int
open_loop(void **state)
{
	(void)state;
	base = event_base_new();
	children = children_new(base, 3);
	return base == NULL || children == NULL;
}

static int
close_loop(void **state)
{
	(void)state;
	children_free(children);
	event_base_free(base);
	return 0;
}

static void
done_cb(void *ctx, const struct child_result *r)
{
	struct seen *s = ctx;

	s->calls++;
	s->end = r->end;
	s->code = r->code;
	s->cut = r->cut;
	s->out_bytes = r->out_bytes;
	s->long_lines = r->long_lines;
	s->took_ms = r->took_ms;
	s->at_ms = clock_mono_ms();
	snprintf(s->out, sizeof(s->out), "%s", r->out);
	snprintf(s->err, sizeof(s->err), "%s", r->err);
	child_text(r, s->text);
}

static void
line_cb(void *ctx, const char *line, size_t bytes)
{
	struct seen *s = ctx;

	s->lines++;
	snprintf(s->last, sizeof(s->last), "%.*s", (int)bytes, line);
	if (s->cancel != NULL) {
		child_cancel(s->cancel);
		s->cancel = NULL;
	}
}

/* Runs the loop until *what is at least n. */
static void
wait_until(const int *what, int n)
{
	int64_t end = clock_mono_ms() + DEADLINE_MS;
	struct timeval tick = { 0, 10000 };

	while (*what < n) {
		if (clock_mono_ms() > end)
			fail_msg("it does not come to an end");
		event_base_loopexit(base, &tick);
		event_base_loop(base, EVLOOP_ONCE);
	}
}

static void
pass_ms(int64_t ms)
{
	struct timeval tv = { ms / 1000, (ms % 1000) * 1000 };

	event_base_loopexit(base, &tv);
	event_base_dispatch(base);
}

static struct child *
shell_with(const char *script, struct seen *s, struct child_spec spec)
{
	const char *argv[] = { "sh", "-c", script, NULL };

	spec.argv = argv;
	if (spec.timeout_ms == 0)
		spec.timeout_ms = DEADLINE_MS;
	if (spec.output_max == 0)
		spec.output_max = 1000;
	return child_run(children, &spec, done_cb, s);
}

static struct child *
shell(const char *script, struct seen *s)
{
	return shell_with(script, s, (struct child_spec){ 0 });
}

/* --- one program, to its end -------------------------------------------- */

static const struct {
	const char	*claim;
	const char	*script;
	enum child_end	 end;
	int		 code;
	const char	*out, *err, *text;
} ends[] = {
	{ "a program that succeeds: status 0 and what it said",
	    "echo yes; echo no >&2", CHILD_EXITED, 0, "yes\n", "no\n",
	    "sh: status 0: no" },
	{ "one that fails: its status, and the error for the log",
	    "echo some; echo 'fatal: disk full' >&2; exit 7", CHILD_EXITED, 7,
	    "some\n", "fatal: disk full\n",
	    "sh: status 7: fatal: disk full" },
	{ "without an error text the log has what it printed",
	    "echo usage; exit 2", CHILD_EXITED, 2, "usage\n", "",
	    "sh: status 2: usage" },
	{ "one that dies of a signal says which",
	    "kill -9 $$", CHILD_SIGNALLED, SIGKILL, "", "",
	    "sh: ended by signal 9" },
	{ "it reads nothing unless given something",
	    "cat; echo end", CHILD_EXITED, 0, "end\n", "", "sh: status 0: end" },
	{ "it starts in / and leads a process group of its own",
	    "pwd; kill -s 0 -- -$$ && echo leads",
	    CHILD_EXITED, 0, "/\nleads\n", "", "sh: status 0: / leads" },
	{ "closing its output early is not its end",
	    "exec >&- 2>&-; sleep 0.3; exit 3", CHILD_EXITED, 3, "", "",
	    "sh: status 3" },
	{ "what it leaves running does not keep it from ending",
	    "sleep 30 & exit 4", CHILD_EXITED, 4, "", "", "sh: status 4" },
	{ "control characters do not reach a log",
	    "printf 'a\\033[2Jb\\nc' >&2; exit 1", CHILD_EXITED, 1, "",
	    "a\033[2Jb\nc", "sh: status 1: a?[2Jb" },
};

static void
runs_to_its_end(void **state)
{
	const typeof(ends[0]) *row = *state;
	struct seen s = { 0 };

	shell(row->script, &s);
	assert_int_equal(s.calls, 0);
	wait_until(&s.calls, 1);
	assert_int_equal(s.end, row->end);
	assert_int_equal(s.code, row->code);
	assert_string_equal(s.out, row->out);
	assert_string_equal(s.err, row->err);
	unit_says(s.text, row->text);
	assert_true(s.took_ms < 5000);
	pass_ms(20);
	assert_int_equal(s.calls, 1);
}

static void
says_what_cannot_be_started(void **state)
{
	static const char *const nowhere[] = { "no-such-program", NULL };
	struct seen s[3] = { 0 };
	const char *script = unit_file("broken", "#!/no/such/interpreter\n");
	const char *broken[] = { script, NULL };
	const char *dir[] = { unit_dir(), NULL };
	struct child_spec spec = { .argv = nowhere, .timeout_ms = 1000 };

	(void)state;
	assert_int_equal(chmod(script, 0755), 0);
	child_run(children, &spec, done_cb, &s[0]);
	spec.argv = broken;
	child_run(children, &spec, done_cb, &s[1]);
	spec.argv = dir;
	child_run(children, &spec, done_cb, &s[2]);
	assert_int_equal(s[0].calls, 0);
	wait_until(&s[0].calls, 1);
	wait_until(&s[1].calls, 1);
	wait_until(&s[2].calls, 1);
	assert_int_equal(s[0].end, CHILD_NOT_STARTED);
	assert_int_equal(s[0].code, ENOENT);
	assert_string_equal(s[0].text, "no-such-program: cannot be started: "
	    "No such file or directory");
	assert_int_equal(s[1].end, CHILD_NOT_STARTED);
	assert_int_equal(s[1].code, ENOENT);
	assert_int_equal(s[2].end, CHILD_NOT_STARTED);
	assert_int_equal(s[2].code, EACCES);
}

static void
gives_input_and_environment(void **state)
{
	static const char *const env[] = { "EGRESS=mx1", "HOME=/ours", NULL };
	struct seen s = { 0 };
	char *big = xcalloc(1, 300001);

	(void)state;
	memset(big, 'x', 300000);
	setenv("HOME", "/theirs", 1);
	setenv("NOTIFY_SOCKET", "/run/notify", 1);
	setenv("KEPT", "yes", 1);
	shell_with("wc -c; echo $EGRESS $HOME $KEPT ${NOTIFY_SOCKET-none}; "
	    "env | grep -c ^HOME=", &s, (struct child_spec){ .env = env,
	    .input = big, .input_bytes = 300000 });
	unsetenv("NOTIFY_SOCKET");
	free(big);
	wait_until(&s.calls, 1);
	assert_string_equal(s.out, "300000\nmx1 /ours yes none\n1\n");
}

static void
survives_a_program_that_reads_nothing(void **state)
{
	struct seen s = { 0 };
	char *big = xcalloc(1, 300000);

	(void)state;
	shell_with("exec <&-; sleep 0.05; exit 0", &s, (struct child_spec){
	    .input = big, .input_bytes = 300000 });
	free(big);
	wait_until(&s.calls, 1);
	assert_int_equal(s.code, 0);
}

/* What of our own signals and descriptors a program has. */
static void
starts_with_nothing_of_ours(void **state)
{
	struct seen s = { 0 };
	unsigned long long blocked, ignored;
	sigset_t mask, old;
	int fd = open("/dev/null", O_RDONLY);	/* as a library would */

	(void)state;
	assert_true(fd > 2);
	sigfillset(&mask);
	sigprocmask(SIG_SETMASK, &mask, &old);
	shell("exec sed -n '/^Sig[BI]/p' /proc/self/status", &s);
	wait_until(&s.calls, 1);
	sigprocmask(SIG_SETMASK, &old, NULL);
	assert_int_equal(sscanf(s.out, "SigBlk: %llx SigIgn: %llx", &blocked,
	    &ignored), 2);
	/* The C library keeps two to itself, which may be ignored since the
	 * start of all of us. */
	assert_int_equal(blocked, 0);
	assert_int_equal(ignored & ~0x180000000ULL, 0);
	s = (struct seen){ 0 };
	shell("exec ls /proc/self/fd", &s);	/* 3 is ls' own */
	wait_until(&s.calls, 1);
	assert_string_equal(s.out, "0\n1\n2\n3\n");
	close(fd);
}

/* --- limits ------------------------------------------------------------- */

static void
ends_what_takes_too_long(void **state)
{
	struct seen s = { 0 };
	const char *pid_file = unit_file("pid", NULL);
	char *script = xasprintf("(trap '' TERM; exec sleep 60) & "
	    "echo $! >%s; echo soon; wait", pid_file), *pid;
	int64_t end = clock_mono_ms() + DEADLINE_MS;

	(void)state;
	shell_with(script, &s, (struct child_spec){ .timeout_ms = 300 });
	free(script);
	wait_until(&s.calls, 1);
	assert_int_equal(s.end, CHILD_TIMED_OUT);
	assert_string_equal(s.out, "soon\n");
	assert_string_equal(s.text, "sh: not done in time, ended: soon");
	assert_in_range(s.took_ms, 300, 2200);
	/* What it had started is gone too. */
	pid = unit_read(pid_file);
	assert_non_null(pid);
	while (kill(atoi(pid), 0) == 0) {
		char *path = xasprintf("/proc/%d/stat", atoi(pid));
		char *stat = unit_read(path);
		bool zombie = stat == NULL || strstr(stat, ") Z") != NULL;

		free(path);
		free(stat);
		if (zombie)
			break;
		assert_true(clock_mono_ms() < end);
		pass_ms(10);
	}
	free(pid);
}

static void
kills_what_does_not_listen(void **state)
{
	struct seen s = { 0 };

	(void)state;
	shell_with("trap '' TERM; while :; do sleep 1; done", &s,
	    (struct child_spec){ .timeout_ms = 100 });
	wait_until(&s.calls, 1);
	assert_int_equal(s.end, CHILD_TIMED_OUT);
	assert_in_range(s.took_ms, 2100, 6000);
}

static void
keeps_only_so_much_output(void **state)
{
	struct seen s = { 0 };

	(void)state;
	shell_with("head -c 500000 /dev/zero | tr '\\0' x; echo end >&2", &s,
	    (struct child_spec){ .output_max = 100 });
	wait_until(&s.calls, 1);
	assert_int_equal(s.code, 0);
	assert_int_equal(s.out_bytes, 100);
	assert_true(s.cut);
	assert_string_equal(s.err, "end\n");
}

static void
hands_over_lines(void **state)
{
	struct seen s = { 0 };

	(void)state;
	shell_with("seq 1 50000; head -c 300000 /dev/zero | tr '\\0' y; echo; "
	    "seq 50001 50004; printf '%0101d\\n' 0; printf '%0100d\\n' 0; "
	    "printf last", &s,
	    (struct child_spec){ .line = line_cb, .line_max = 100 });
	wait_until(&s.calls, 1);
	assert_int_equal(s.code, 0);
	assert_int_equal(s.lines, 50006);
	assert_int_equal(s.long_lines, 2);
	assert_string_equal(s.last, "last");
	assert_string_equal(s.out, "");
}

static void
runs_only_so_many_at_once(void **state)
{
	struct seen s[7] = { 0 };
	const char *file = unit_file("at-once", "");
	char *script = xasprintf("echo + >>%s; sleep 0.1; echo - >>%s", file,
	    file), *all, *c;
	int now = 0, most = 0, i;

	(void)state;
	for (i = 0; i < 7; i++)
		shell(script, &s[i]);
	free(script);
	for (i = 0; i < 7; i++)
		wait_until(&s[i].calls, 1);
	all = unit_read(file);
	for (c = all; *c != '\0'; c++) {
		now += *c == '+' ? 1 : *c == '-' ? -1 : 0;
		most = now > most ? now : most;
	}
	assert_int_equal(most, 3);
	assert_int_equal(strlen(all), 28);
	free(all);
}

static void
waits_for_its_own_only(void **state)
{
	struct seen s = { 0 };
	pid_t pid = fork();
	int status = 0;

	(void)state;
	if (pid == 0)
		_exit(9);
	shell("sleep 0.2", &s);
	wait_until(&s.calls, 1);
	/* The other one is still there for who started it. */
	assert_int_equal(waitpid(pid, &status, WNOHANG), pid);
	assert_int_equal(WEXITSTATUS(status), 9);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
}

static void
ends_soon_after_the_program(void **state)
{
	static const char *const argv[] = { "true", NULL };
	struct child_spec spec = { .argv = argv, .timeout_ms = 5000 };
	struct seen s[20] = { 0 };
	int64_t least = INT64_MAX;
	int i;

	(void)state;
	for (i = 0; i < 20; i++) {
		child_run(children, &spec, done_cb, &s[i]);
		wait_until(&s[i].calls, 1);
		least = s[i].took_ms < least ? s[i].took_ms : least;
	}
	/* Far below the slow look at every 100 ms; others may be busy. */
	assert_true(least < 50);
}

/* --- cancelling --------------------------------------------------------- */

static void
cancels(void **state)
{
	struct seen s[5] = { 0 };
	struct child *c[5];
	int i;

	(void)state;
	/* The fourth and fifth wait in line. */
	for (i = 0; i < 5; i++)
		c[i] = shell(i == 4 ? "echo now" : "sleep 60", &s[i]);
	pass_ms(50);
	child_cancel(c[3]);
	child_cancel(c[1]);
	wait_until(&s[4].calls, 1);
	assert_string_equal(s[4].out, "now\n");
	assert_int_equal(s[0].calls + s[1].calls + s[2].calls + s[3].calls, 0);
}

static void
cancels_from_a_line(void **state)
{
	struct seen s = { 0 }, after = { 0 };

	(void)state;
	s.cancel = shell_with("yes", &s, (struct child_spec){ .line = line_cb,
	    .line_max = 10 });
	shell("sleep 0.3; echo 1", &after);
	wait_until(&after.calls, 1);
	assert_int_equal(s.calls, 0);
	assert_int_equal(s.lines, 1);
}

static void
leaves_nothing_behind(void **state)
{
	struct seen s = { 0 };
	int64_t end = clock_mono_ms() + DEADLINE_MS;

	(void)state;
	shell("sleep 60", &s);
	pass_ms(50);
	children_free(children);
	children = NULL;
	while (waitpid(-1, NULL, WNOHANG) == 0) {
		assert_true(clock_mono_ms() < end);
		pass_ms(5);
	}
	assert_int_equal(s.calls, 0);
}

/* --- work beside the loop ------------------------------------------------ */

struct job {
	pthread_t	 worker;
	int		 gate[2];
	int		 done, dropped;
	bool		 blocked;
};

static void
work(void *arg)
{
	struct job *j = arg;
	sigset_t mask;
	char c;

	j->worker = pthread_self();
	pthread_sigmask(SIG_SETMASK, NULL, &mask);
	j->blocked = sigismember(&mask, SIGTERM) == 1;
	if (j->gate[0] != -1 && read(j->gate[0], &c, 1) == -1)
		abort();
}

static void
job_done(void *arg)
{
	((struct job *)arg)->done++;
}

static void
job_dropped(void *arg)
{
	struct job *j = arg;

	j->dropped++;
	if (write(j->gate[1], "d", 1) != 1)
		abort();
}

static void
works_aside(void **state)
{
	struct job j = { .gate = { -1, -1 } };

	(void)state;
	assert_non_null(aside_run(base, work, job_done, &j));
	assert_int_equal(j.done, 0);
	wait_until(&j.done, 1);
	assert_false(pthread_equal(j.worker, pthread_self()));
	assert_true(j.blocked);
}

static void
drops_work_that_hangs(void **state)
{
	struct job j = { 0 };
	struct aside *a;
	int back[2], in;
	char c;

	(void)state;
	assert_int_equal(pipe(j.gate), 0);
	assert_int_equal(pipe(back), 0);
	in = j.gate[1];
	j.gate[1] = back[1];
	a = aside_run(base, work, job_done, &j);
	assert_non_null(a);
	pass_ms(20);
	aside_cancel(a, job_dropped);
	assert_int_equal(j.dropped, 0);
	assert_int_equal(write(in, "g", 1), 1);
	assert_int_equal(read(back[0], &c, 1), 1);
	assert_int_equal(j.dropped, 1);
	pass_ms(20);
	assert_int_equal(j.done, 0);
	close(in);
	close(j.gate[0]);
	close(back[0]);
	close(back[1]);
}

int
main(void)
{
	signal(SIGPIPE, SIG_IGN);
	unit_around(open_loop, close_loop);
	unit_rows(ends, runs_to_its_end);
	unit_claim("what cannot be started is told with the reason",
	    says_what_cannot_be_started);
	unit_claim("input of any size, and environment; no service manager",
	    gives_input_and_environment);
	unit_claim("input that nobody reads is no failure",
	    survives_a_program_that_reads_nothing);
	unit_claim("no signal is blocked or ignored, no descriptor inherited",
	    starts_with_nothing_of_ours);
	unit_claim("what takes too long is ended with all it has started",
	    ends_what_takes_too_long);
	unit_claim("what does not listen to TERM is killed",
	    kills_what_does_not_listen);
	unit_claim("output beyond the limit is read and thrown away",
	    keeps_only_so_much_output);
	unit_claim("lines: each once, long ones dropped, half a one at the "
	    "end", hands_over_lines);
	unit_claim("only so many at once, the others afterwards",
	    runs_only_so_many_at_once);
	unit_claim("processes of others are not waited for",
	    waits_for_its_own_only);
	unit_claim("the end is seen within milliseconds",
	    ends_soon_after_the_program);
	unit_claim("cancelled, running or waiting: no callback, its place is "
	    "free", cancels);
	unit_claim("cancelled by its own line: no further line",
	    cancels_from_a_line);
	unit_claim("freed: all that still ran are ended",
	    leaves_nothing_behind);
	unit_claim("work aside: on a thread without signals, done on the loop",
	    works_aside);
	unit_claim("work that hangs is left to itself and cleans up later",
	    drops_work_that_hangs);
	return unit_run("child");
}
