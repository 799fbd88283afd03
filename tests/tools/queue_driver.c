/*
 * queue_driver.c - drives front/queue.c from standard input, for tests
 *
 * Usage: queue_driver [-do] [-c CONFIG_DIRECTORY] TABLE
 *
 * -d: the table is only the default; -o: observe mode.  A line sets all egresses: words "NAME:STATE[:shut][:reroute][:ramp=R]".
 * "waiting NAME", "error" and "in-force NAME" ask; "beat" answers "beat",
 * for seeing that the loop runs.  Everything that happens is printed, with
 * the monotonic time in milliseconds before it.
 */
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>

#include "base/child.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "front/queue.h"

#define EGRESSES	8

static struct event_base *base;
static struct queue *queue;

static void tell(const char *, ...)
    __attribute__((__format__(__printf__, 1, 2)));

static void
tell(const char *fmt, ...)
{
	va_list ap;

	printf("%lld ", (long long)clock_mono_ms());
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
	fflush(stdout);
}

static void
event_cb(void *ctx, const char *text)
{
	(void)ctx;
	if (text != NULL)
		tell("event %s", text);
}

static void
parse_egress(char *word, struct queue_egress *e)
{
	char *rest = word, *part;

	*e = (struct queue_egress){ .name = strsep(&rest, ":"),
	    .reason = "a test" };
	if (rest == NULL || !state_parse(strsep(&rest, ":"), &e->state))
		fatalx("no state");
	while ((part = strsep(&rest, ":")) != NULL) {
		if (strcmp(part, "shut") == 0)
			e->shut = true;
		else if (strcmp(part, "reroute") == 0)
			e->can_reroute = true;
		else if (strncmp(part, "ramp=", 5) == 0)
			e->ramp = strtod(part + 5, NULL);
		else
			fatalx("%s?", part);
	}
}

static void
set(char *line)
{
	struct queue_egress v[EGRESSES];
	size_t n = 0;
	char *word;

	while ((word = strsep(&line, " ")) != NULL && n < EGRESSES)
		parse_egress(word, &v[n++]);
	queue_update(queue, v, n);
	tell("set");
}

static void
command(char *line)
{
	char *rest = line, *word = strsep(&rest, " ");

	if (strcmp(word, "waiting") == 0)
		tell("waiting %lld", (long long)queue_waiting(queue, rest));
	else if (strcmp(word, "in-force") == 0)
		tell("in-force %d", queue_gate_in_force(queue, rest));
	else if (strcmp(word, "error") == 0)
		tell("error gate=%s queue=%s", queue_gate_error(queue),
		    queue_error(queue));
	else if (strcmp(word, "beat") == 0)
		tell("beat");
	else {
		if (rest != NULL)
			rest[-1] = ' ';
		set(line);
	}
}

static void
read_cb(struct bufferevent *bev, void *arg)
{
	char *line;

	(void)arg;
	while ((line = evbuffer_readln(bufferevent_get_input(bev), NULL,
	    EVBUFFER_EOL_LF)) != NULL) {
		command(line);
		free(line);
	}
}

static void
end_cb(struct bufferevent *bev, short what, void *arg)
{
	(void)bev;
	(void)what;
	(void)arg;
	event_base_loopbreak(base);
}

int
main(int argc, char **argv)
{
	struct queue_conf conf = { .gate = { .given = true } };
	struct children *children;
	struct bufferevent *bev;
	int ch;

	while ((ch = getopt(argc, argv, "c:do")) != -1) {
		if (ch == 'c')
			conf.config_directory = optarg;
		else if (ch == 'd')
			conf.gate.given = false;
		else if (ch == 'o')
			conf.observe = true;
		else
			return 2;
	}
	if (optind != argc - 1)
		return 2;
	conf.gate.table = argv[optind];
	log_init("queue_driver", true, true);
	signal(SIGPIPE, SIG_IGN);
	if ((base = event_base_new()) == NULL ||
	    (children = children_new(base, 4)) == NULL ||
	    (bev = bufferevent_socket_new(base, STDIN_FILENO, 0)) == NULL)
		fatalx("cannot set up the event loop");
	queue = queue_new(base, children, &conf, event_cb, NULL);
	bufferevent_setcb(bev, read_cb, NULL, end_cb, NULL);
	bufferevent_enable(bev, EV_READ);
	tell("ready");
	event_base_dispatch(base);
	queue_free(queue);
	children_free(children);
	bufferevent_free(bev);
	event_base_free(base);
	return 0;
}
