/*
 * run.c - other programs, with a deadline
 */
#include "ctl/run.h"

#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"

#define DEADLINE_MS	60000
#define SBIN		"/usr/sbin:/usr/local/sbin:/sbin"
#define NOT_STARTED	127

struct output {
	char	*text;
	size_t	 len;
};

static void
child(const char *const *argv, int out, int err)
{
	const char *path = getenv("PATH");
	char *more = xasprintf("%s%s%s", path != NULL ? path : "",
	    path != NULL && *path != '\0' ? ":" : "", SBIN);
	int null = open("/dev/null", O_RDONLY);

	signal(SIGPIPE, SIG_DFL);
	setenv("PATH", more, 1);
	if (null == -1 || dup2(null, 0) == -1 || dup2(out, 1) == -1 ||
	    dup2(err, 2) == -1)
		_exit(NOT_STARTED);
	/* exec() does not write to what it is given, POSIX says. */
	execvp(argv[0], (char *const *)(uintptr_t)argv);
	dprintf(2, "%s: %s", argv[0], strerror(errno));
	_exit(NOT_STARTED);
}

/* False at the end of the stream. */
static bool
take(int fd, struct output *o)
{
	char buf[4096];
	ssize_t n = read(fd, buf, sizeof(buf));

	if (n == -1 && errno == EINTR)
		return true;
	if (n <= 0)
		return false;
	o->text = xreallocarray(o->text, o->len + (size_t)n + 1, 1);
	memcpy(o->text + o->len, buf, (size_t)n);
	o->len += (size_t)n;
	o->text[o->len] = '\0';
	return true;
}

/* False when the time is over.  A daemon that the program has started may
 * hold the streams open, so that its own end counts too. */
static bool
collect(pid_t pid, int *status, int fds[2], struct output o[2])
{
	int64_t end_ms = clock_mono_ms() + DEADLINE_MS;
	bool more[2] = { true, true }, ended = false;
	struct pollfd p[2];
	int i, ready;

	while (more[0] || more[1]) {
		for (i = 0; i < 2; i++)
			p[i] = (struct pollfd){ more[i] ? fds[i] : -1,
			    POLLIN, 0 };
		ready = poll(p, 2, 100);
		for (i = 0; i < 2; i++) {
			if (ready > 0 && p[i].revents != 0)
				more[i] = take(fds[i], &o[i]);
		}
		if (ready == 0 && ended)
			return true;
		if (!ended && waitpid(pid, status, WNOHANG) == pid)
			ended = true;
		if (clock_mono_ms() > end_ms)
			return ended;
	}
	while (!ended && waitpid(pid, status, 0) == -1 && errno == EINTR)
		continue;
	return true;
}

int
run_program(const char *const *argv, char **out, char **err)
{
	struct output o[2] = { { xstrdup(""), 0 }, { xstrdup(""), 0 } };
	int to_us[2][2], fds[2], status = -1;
	pid_t pid;

	*out = o[0].text;
	*err = o[1].text;
	if (pipe(to_us[0]) == -1)
		return -1;
	if (pipe(to_us[1]) == -1) {
		close(to_us[0][0]);
		close(to_us[0][1]);
		return -1;
	}
	fflush(NULL);
	if ((pid = fork()) == 0)
		child(argv, to_us[0][1], to_us[1][1]);
	close(to_us[0][1]);
	close(to_us[1][1]);
	fds[0] = to_us[0][0];
	fds[1] = to_us[1][0];
	if (pid != -1 && !collect(pid, &status, fds, o)) {
		kill(pid, SIGKILL);
		waitpid(pid, &status, 0);
		status = -1;
	}
	close(fds[0]);
	close(fds[1]);
	*out = o[0].text;
	*err = o[1].text;
	return status != -1 && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}
