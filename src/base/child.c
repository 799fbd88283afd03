/*
 * child.c - other people's programs, run without waiting for them
 *
 * The end of a program is seen by asking for it: at once when its output
 * ends, which is nearly always the same moment, and at a slow pace besides.
 * That needs no SIGCHLD, which libraries would like to have too, and is the
 * same on every system.
 */
#include "base/child.h"

#include <sys/types.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/event.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"

#define TERM_MS		2000	/* from SIGTERM to SIGKILL */
#define KILL_MS		5000	/* from there until nobody waits any more */
#define LOOK_MS		100	/* is it still there? */
#define LOOK_END_MS	1	/* the same, after its output has ended */
#define READ_BYTES	65536	/* at once; other events have a turn then */
#define EXEC_FD		3

extern char **environ;

/* What a program of somebody else's must not inherit: it would speak to our
 * service manager in our name. */
static const char *const private_env[] = { "NOTIFY_SOCKET=",
    "WATCHDOG_PID=", "WATCHDOG_USEC=", "LISTEN_PID=", "LISTEN_FDS=",
    "LISTEN_FDNAMES=" };

/* Beside PATH, which a service manager may have left out. */
static const char program_dirs[] = "/usr/sbin:/usr/local/sbin:/usr/bin:/bin";

enum stage {
	STAGE_QUEUED,
	STAGE_RUNNING,
	STAGE_TERM,		/* SIGTERM is sent */
	STAGE_KILL,		/* SIGKILL is sent */
	STAGE_LOST,		/* told as timed out, not even KILL ended it */
	STAGE_ENDED,		/* reaped: its number may be another's */
};

struct stream {
	int		 fd;		/* -1: closed */
	struct event	*event;
	struct evbuffer	*buffer;
};

struct child {
	struct children	*all;
	struct child	*next;
	char		**argv;
	char		**env;
	struct evbuffer	*input;
	int64_t		 timeout_ms;
	size_t		 output_max, line_max;
	child_line_fn	*line;
	child_done_fn	*done;		/* NULL: cancelled */
	void		*ctx;

	enum stage	 stage;
	pid_t		 pid;
	int		 start_error;	/* errno of a start that failed */
	int64_t		 asked_ms, deadline_ms;	/* monotonic */
	int64_t		 look_ms;	/* wait before the next look */
	struct event	*timer;
	struct stream	 in, out, err, exec;
	size_t		 long_lines;
	bool		 cut, skipping;	/* in the middle of a long line */
};

struct children {
	struct event_base *base;
	size_t		 max_running, running;
	struct child	*first;		/* in the order of their asking */
	struct event	*starter;
};

static void timer_cb(evutil_socket_t, short, void *);

/* --- vectors of strings ------------------------------------------------- */

static size_t
vector_count(const char *const *v)
{
	size_t n = 0;

	while (v != NULL && v[n] != NULL)
		n++;
	return n;
}

static char **
vector_copy(const char *const *v)
{
	size_t i, n = vector_count(v);
	char **copy = xcalloc(n + 1, sizeof(*copy));

	for (i = 0; i < n; i++)
		copy[i] = xstrdup(v[i]);
	return copy;
}

static void
vector_free(char **v)
{
	size_t i;

	for (i = 0; v != NULL && v[i] != NULL; i++)
		free(v[i]);
	free(v);
}

/* Both are settings of one variable. */
static bool
same_variable(const char *a, const char *b)
{
	size_t n = strcspn(a, "=");

	return strncmp(a, b, n) == 0 && b[n] == '=';
}

static bool
is_private(const char *setting, const char *const *extra)
{
	size_t i;

	for (i = 0; i < sizeof(private_env) / sizeof(private_env[0]); i++) {
		if (strncmp(setting, private_env[i],
		    strlen(private_env[i])) == 0)
			return true;
	}
	for (i = 0; extra != NULL && extra[i] != NULL; i++) {
		if (same_variable(extra[i], setting))
			return true;
	}
	return false;
}

static char **
make_env(const char *const *extra)
{
	size_t i, n = 0;
	char **env = xcalloc(vector_count((const char *const *)environ) +
	    vector_count(extra) + 1, sizeof(*env));

	for (i = 0; environ != NULL && environ[i] != NULL; i++) {
		if (!is_private(environ[i], extra))
			env[n++] = xstrdup(environ[i]);
	}
	for (i = 0; extra != NULL && extra[i] != NULL; i++)
		env[n++] = xstrdup(extra[i]);
	return env;
}

bool
child_find(const char *name, char *path, size_t size)
{
	const char *set = getenv("PATH"), *dir;
	char *all;
	size_t n;
	bool found = false;

	if (strchr(name, '/') != NULL) {
		snprintf(path, size, "%s", name);
		return access(path, X_OK) == 0;
	}
	all = xasprintf("%s:%s", set != NULL ? set : "", program_dirs);
	for (dir = all; !found && *dir != '\0'; dir += n + (dir[n] == ':')) {
		n = strcspn(dir, ":");
		/* Never from wherever we happen to be. */
		if (*dir != '/' || n + strlen(name) + 2 > size)
			continue;
		snprintf(path, size, "%.*s/%s", (int)n, dir, name);
		found = access(path, X_OK) == 0;
	}
	free(all);
	if (!found)
		errno = ENOENT;
	return found;
}

/* --- starting ----------------------------------------------------------- */

static void
stream_close(struct stream *s)
{
	if (s->event != NULL)
		event_free(s->event);
	s->event = NULL;
	if (s->fd != -1)
		close(s->fd);
	s->fd = -1;
}

/*
 * A pipe whose ends no program inherits by itself and none of which is a
 * standard descriptor, whatever this process was started with.
 */
static bool
make_pipe(int fds[2])
{
	int i, high;

	if (pipe2(fds, O_CLOEXEC) == -1)
		return false;
	for (i = 0; i < 2; i++) {
		if (fds[i] > STDERR_FILENO)
			continue;
		high = fcntl(fds[i], F_DUPFD_CLOEXEC, EXEC_FD);
		close(fds[i]);
		if ((fds[i] = high) == -1) {
			close(fds[!i]);
			return false;
		}
	}
	return true;
}

struct plumbing {
	int	in[2], out[2], err[2], exec[2];
};

static void
close_all(const struct plumbing *p)
{
	const int fds[] = { p->in[0], p->in[1], p->out[0], p->out[1],
	    p->err[0], p->err[1], p->exec[0], p->exec[1] };
	size_t i;

	for (i = 0; i < sizeof(fds) / sizeof(fds[0]); i++) {
		if (fds[i] != -1)
			close(fds[i]);
	}
}

static bool
open_all(struct plumbing *p)
{
	*p = (struct plumbing){ { -1, -1 }, { -1, -1 }, { -1, -1 },
	    { -1, -1 } };
	/* pipe2() leaves the pair alone when it fails. */
	if (make_pipe(p->in) && make_pipe(p->out) && make_pipe(p->err) &&
	    make_pipe(p->exec))
		return true;
	close_all(p);
	return false;
}

/*
 * Between fork() and exec: other threads may have held any lock, so only
 * what signal handlers may call.  closefrom() is a system call or two on
 * every system that has it.
 */
static void
become(const struct plumbing *p, const char *path, char **argv, char **env)
{
	struct sigaction sa = { .sa_handler = SIG_DFL };
	sigset_t none;
	ssize_t told;
	int i, why;

	setpgid(0, 0);
	for (i = 1; i < NSIG; i++)
		sigaction(i, &sa, NULL);
	if (dup2(p->in[0], STDIN_FILENO) == -1 ||
	    dup2(p->out[1], STDOUT_FILENO) == -1 ||
	    dup2(p->err[1], STDERR_FILENO) == -1 ||
	    (p->exec[1] != EXEC_FD && dup2(p->exec[1], EXEC_FD) == -1) ||
	    fcntl(EXEC_FD, F_SETFD, FD_CLOEXEC) == -1 || chdir("/") == -1)
		_exit(127);
	closefrom(EXEC_FD + 1);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	execve(path, argv, env);
	why = errno;
	told = write(EXEC_FD, &why, sizeof(why));
	_exit(told == sizeof(why) ? 126 : 127);
}

static bool
watch(struct child *c, struct stream *s, int fd, short what,
    event_callback_fn cb)
{
	s->fd = fd;
	return evutil_make_socket_nonblocking(fd) == 0 &&
	    (s->event = event_new(c->all->base, fd, what | EV_PERSIST, cb,
	    c)) != NULL && event_add(s->event, NULL) == 0;
}

static void
arm(struct child *c, int64_t wait_ms)
{
	struct timeval tv;

	if (wait_ms < 0)
		wait_ms = 0;
	tv = (struct timeval){ wait_ms / 1000, (wait_ms % 1000) * 1000 };
	event_add(c->timer, &tv);
}

/* Until the next look, or until its time is up. */
static void
arm_look(struct child *c)
{
	int64_t left = c->deadline_ms - clock_mono_ms();

	arm(c, left < c->look_ms ? left : c->look_ms);
}

static void
fail_start(struct child *c, int why)
{
	c->start_error = why;
	arm(c, 0);
}

static void in_cb(evutil_socket_t, short, void *);
static void out_cb(evutil_socket_t, short, void *);
static void err_cb(evutil_socket_t, short, void *);
static void exec_cb(evutil_socket_t, short, void *);

static void
start(struct child *c)
{
	char path[1024];
	struct plumbing p;
	sigset_t all, old;
	int why;

	c->stage = STAGE_RUNNING;
	c->all->running++;
	if (!child_find(c->argv[0], path, sizeof(path)) || !open_all(&p)) {
		fail_start(c, errno);
		return;
	}
	/* A handler of ours that ran in the child would wake our loop. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	c->pid = fork();
	why = errno;
	if (c->pid == 0)
		become(&p, path, c->argv, c->env);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (c->pid == -1) {
		close_all(&p);
		fail_start(c, why);
		return;
	}
	/* Both do it: nobody knows who comes first. */
	setpgid(c->pid, c->pid);
	close(p.in[0]);
	close(p.out[1]);
	close(p.err[1]);
	close(p.exec[1]);
	c->look_ms = LOOK_MS;
	c->deadline_ms = clock_mono_ms() + c->timeout_ms;
	if (!watch(c, &c->in, p.in[1], EV_WRITE, in_cb) ||
	    !watch(c, &c->out, p.out[0], EV_READ, out_cb) ||
	    !watch(c, &c->err, p.err[0], EV_READ, err_cb) ||
	    !watch(c, &c->exec, p.exec[0], EV_READ, exec_cb))
		fatalx("out of memory for events");
	arm_look(c);
}

static void
starter_cb(evutil_socket_t fd, short what, void *arg)
{
	struct children *all = arg;
	struct child *c;

	(void)fd;
	(void)what;
	for (c = all->first; c != NULL &&
	    all->running < all->max_running; c = c->next) {
		if (c->stage == STAGE_QUEUED)
			start(c);
	}
}

/* --- its ends ----------------------------------------------------------- */

static void
forget(struct child *c)
{
	struct child **at = &c->all->first;

	while (*at != c)
		at = &(*at)->next;
	*at = c->next;
	if (c->stage != STAGE_QUEUED && c->stage != STAGE_LOST) {
		c->all->running--;
		event_active(c->all->starter, 0, 0);
	}
	stream_close(&c->in);
	stream_close(&c->out);
	stream_close(&c->err);
	stream_close(&c->exec);
	evbuffer_free(c->input);
	evbuffer_free(c->out.buffer);
	evbuffer_free(c->err.buffer);
	event_free(c->timer);
	vector_free(c->argv);
	vector_free(c->env);
	free(c);
}

static const char *
kept(struct stream *s, size_t *bytes)
{
	*bytes = evbuffer_get_length(s->buffer);
	evbuffer_add(s->buffer, "", 1);
	return (const char *)evbuffer_pullup(s->buffer, -1);
}

static void
tell(struct child *c, enum child_end end, int code)
{
	const char *slash = strrchr(c->argv[0], '/');
	struct child_result r = { .end = end, .code = code,
	    .cut = c->cut, .long_lines = c->long_lines,
	    .took_ms = clock_mono_ms() - c->asked_ms };
	child_done_fn *done = c->done;

	r.name = slash != NULL ? slash + 1 : c->argv[0];
	r.out = kept(&c->out, &r.out_bytes);
	r.err = kept(&c->err, &r.err_bytes);
	c->done = NULL;
	if (done != NULL)
		done(c->ctx, &r);
}

/* Hands over whole lines; at the end of the output also half of one. */
static void
hand_over(struct child *c, bool ended)
{
	struct evbuffer *b = c->out.buffer;
	struct evbuffer_ptr eol;
	size_t bytes, eol_bytes;

	while (c->done != NULL && evbuffer_get_length(b) > 0) {
		eol = evbuffer_search_eol(b, NULL, &eol_bytes,
		    EVBUFFER_EOL_LF);
		if (eol.pos == -1) {
			bytes = evbuffer_get_length(b);
			if (bytes > c->line_max) {
				c->long_lines += !c->skipping;
				c->skipping = true;
			}
			if (c->skipping)
				evbuffer_drain(b, bytes);
			else if (ended) {
				c->line(c->ctx, (const char *)
				    evbuffer_pullup(b, -1), bytes);
				evbuffer_drain(b, bytes);
			}
			return;
		}
		bytes = (size_t)eol.pos;
		if (c->skipping)
			c->skipping = false;
		else if (bytes > c->line_max)
			c->long_lines++;
		else
			c->line(c->ctx, (const char *)evbuffer_pullup(b,
			    (ev_ssize_t)bytes + 1), bytes);
		evbuffer_drain(b, bytes + 1);
	}
}

/* False when there is no more for now; at its end the stream is closed. */
static bool
read_some(struct child *c, struct stream *s)
{
	size_t have, max = c->output_max;
	int n;

	if (s->fd == -1)
		return false;
	n = evbuffer_read(s->buffer, s->fd, READ_BYTES);
	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return false;
	if (s == &c->out && c->line != NULL) {
		hand_over(c, n <= 0);
	} else if ((have = evbuffer_get_length(s->buffer)) > max) {
		struct evbuffer *b = evbuffer_new();

		c->cut = true;
		if (b == NULL ||
		    evbuffer_remove_buffer(s->buffer, b, max) == -1)
			fatalx("out of memory for what a program says");
		evbuffer_free(s->buffer);
		s->buffer = b;
	}
	if (n > 0)
		return true;
	stream_close(s);
	/* It is about to end. */
	if (c->out.fd == -1 && c->err.fd == -1) {
		c->look_ms = LOOK_END_MS;
		arm(c, 0);
	}
	return false;
}

static void
drain(struct child *c, struct stream *s)
{
	int i;

	/* A process that it left behind may write for ever. */
	for (i = 0; i < 256 && read_some(c, s); i++)
		;
	if (s == &c->out && c->line != NULL)
		hand_over(c, true);
}

/* Its errno, or nothing if it became the program: the pipe closed itself. */
static void
read_start(struct child *c)
{
	int why;

	if (c->exec.fd != -1 &&
	    read(c->exec.fd, &why, sizeof(why)) == sizeof(why))
		c->start_error = why;
	stream_close(&c->exec);
}

/* Whether it has ended; its number is still its own then. */
static bool
has_ended(const struct child *c)
{
	siginfo_t si = { 0 };

	return waitid(P_PID, (id_t)c->pid, &si,
	    WEXITED | WNOHANG | WNOWAIT) == -1 || si.si_pid == c->pid;
}

static void
reap(struct child *c)
{
	bool timed_out = c->stage != STAGE_RUNNING;
	int status = 0;

	/* What it has started itself goes with it. */
	if (timed_out)
		kill(-c->pid, SIGKILL);
	if (waitpid(c->pid, &status, WNOHANG) == -1)
		log_warn("%s: its end was missed", c->argv[0]);
	if (c->stage == STAGE_LOST)
		c->all->running++;	/* which forget() takes back */
	c->stage = STAGE_ENDED;
	read_start(c);
	drain(c, &c->out);
	drain(c, &c->err);
	if (c->start_error != 0)
		tell(c, CHILD_NOT_STARTED, c->start_error);
	else if (timed_out)
		tell(c, CHILD_TIMED_OUT, 0);
	else if (WIFSIGNALED(status))
		tell(c, CHILD_SIGNALLED, WTERMSIG(status));
	else
		tell(c, CHILD_EXITED, WEXITSTATUS(status));
	forget(c);
}

/* Its time is up, or what came after that did not help. */
static void
end_it(struct child *c)
{
	switch (c->stage) {
	case STAGE_RUNNING:
		c->stage = STAGE_TERM;
		c->deadline_ms = clock_mono_ms() + TERM_MS;
		kill(-c->pid, SIGTERM);
		break;
	case STAGE_TERM:
		c->stage = STAGE_KILL;
		c->deadline_ms = clock_mono_ms() + KILL_MS;
		kill(-c->pid, SIGKILL);
		break;
	case STAGE_KILL:
		/* It hangs in the kernel.  Others have their turn. */
		tell(c, CHILD_TIMED_OUT, 0);
		c->stage = STAGE_LOST;
		c->all->running--;
		event_active(c->all->starter, 0, 0);
		/* FALLTHROUGH */
	case STAGE_LOST:
	case STAGE_QUEUED:
	case STAGE_ENDED:
		c->deadline_ms = INT64_MAX;
		c->look_ms = TERM_MS;
		break;
	}
}

static void
timer_cb(evutil_socket_t fd, short what, void *arg)
{
	struct child *c = arg;

	(void)fd;
	(void)what;
	if (c->pid <= 0) {
		tell(c, CHILD_NOT_STARTED, c->start_error);
		forget(c);
		return;
	}
	if (has_ended(c)) {
		reap(c);
		return;
	}
	if (clock_mono_ms() >= c->deadline_ms)
		end_it(c);
	if (c->look_ms < LOOK_MS && (c->look_ms *= 2) > LOOK_MS)
		c->look_ms = LOOK_MS;
	arm_look(c);
}

/* --- its streams -------------------------------------------------------- */

static void
in_cb(evutil_socket_t fd, short what, void *arg)
{
	struct child *c = arg;
	int n = 0;

	(void)what;
	if (evbuffer_get_length(c->input) > 0)
		n = evbuffer_write(c->input, fd);
	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return;
	/* A program that does not read its input may be right. */
	if (n == -1 || evbuffer_get_length(c->input) == 0)
		stream_close(&c->in);
}

static void
out_cb(evutil_socket_t fd, short what, void *arg)
{
	struct child *c = arg;

	(void)fd;
	(void)what;
	read_some(c, &c->out);
}

static void
err_cb(evutil_socket_t fd, short what, void *arg)
{
	struct child *c = arg;

	(void)fd;
	(void)what;
	read_some(c, &c->err);
}

static void
exec_cb(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	read_start(arg);
}

/* --- what others call --------------------------------------------------- */

struct children *
children_new(struct event_base *base, size_t max_running)
{
	struct children *all = xcalloc(1, sizeof(*all));

	all->base = base;
	all->max_running = max_running > 0 ? max_running : 1;
	if ((all->starter = event_new(base, -1, 0, starter_cb, all)) == NULL) {
		free(all);
		return NULL;
	}
	return all;
}

void
children_free(struct children *all)
{
	if (all == NULL)
		return;
	while (all->first != NULL) {
		if (all->first->pid > 0)
			kill(-all->first->pid, SIGTERM);
		forget(all->first);
	}
	event_free(all->starter);
	free(all);
}

struct child *
child_run(struct children *all, const struct child_spec *spec,
    child_done_fn *done, void *ctx)
{
	struct child *c = xcalloc(1, sizeof(*c)), **at = &all->first;

	c->all = all;
	c->argv = vector_copy(spec->argv);
	c->env = make_env(spec->env);
	c->timeout_ms = spec->timeout_ms;
	c->output_max = spec->output_max;
	c->line_max = spec->line_max;
	c->line = spec->line;
	c->done = done;
	c->ctx = ctx;
	c->asked_ms = clock_mono_ms();
	c->in.fd = c->out.fd = c->err.fd = c->exec.fd = -1;
	c->input = evbuffer_new();
	c->out.buffer = evbuffer_new();
	c->err.buffer = evbuffer_new();
	c->timer = evtimer_new(all->base, timer_cb, c);
	if (c->input == NULL || c->out.buffer == NULL ||
	    c->err.buffer == NULL || c->timer == NULL ||
	    evbuffer_add(c->input, spec->input != NULL ? spec->input : "",
	    spec->input_bytes) == -1)
		fatalx("out of memory for a program's input");
	while (*at != NULL)
		at = &(*at)->next;
	*at = c;
	event_active(all->starter, 0, 0);
	return c;
}

void
child_cancel(struct child *c)
{
	c->done = NULL;
	if (c->stage == STAGE_QUEUED || c->pid <= 0) {
		forget(c);
		return;
	}
	/* It stays until its end is seen. */
	if (c->stage == STAGE_RUNNING)
		end_it(c);
	arm_look(c);
}

bool
child_good(const struct child_result *r)
{
	return r->end == CHILD_EXITED && r->code == 0;
}

const char *
child_text(const struct child_result *r, char buf[CHILD_TEXT_MAX])
{
	const char *words = r->err_bytes > 0 ? r->err : r->out;
	char said[CHILD_TEXT_MAX / 2];
	int n = 0;

	text_clean(said, sizeof(said), words, strlen(words));
	switch (r->end) {
	case CHILD_EXITED:
		n = snprintf(buf, CHILD_TEXT_MAX, "%s: status %d", r->name,
		    r->code);
		break;
	case CHILD_SIGNALLED:
		n = snprintf(buf, CHILD_TEXT_MAX, "%s: ended by signal %d",
		    r->name, r->code);
		break;
	case CHILD_TIMED_OUT:
		n = snprintf(buf, CHILD_TEXT_MAX, "%s: not done in time, "
		    "ended", r->name);
		break;
	case CHILD_NOT_STARTED:
		n = snprintf(buf, CHILD_TEXT_MAX, "%s: cannot be started: %s",
		    r->name, strerror(r->code));
		break;
	}
	if (said[0] != '\0' && n > 0 && n < CHILD_TEXT_MAX)
		snprintf(buf + n, CHILD_TEXT_MAX - (size_t)n, ": %s", said);
	return buf;
}
