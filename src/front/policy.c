/*
 * policy.c - the Postfix policy service
 *
 * The loop belongs to one thread and nobody else touches it, so it needs no
 * locks; a pipe that is closed tells it to stop.
 *
 * Idle connections are found by a walk once a minute and not by a timer
 * each: Postfix keeps hundreds of them, and a timer costs work on every
 * request.
 */
#include "front/policy.h"

#include <sys/queue.h>
#include <sys/socket.h>

#include <netinet/in.h>
#include <netinet/tcp.h>

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "front/front.h"
#include "front/listener.h"
#include "front/policy_request.h"

#define CLIENTS_MAX	4096
#define ANSWER_MAX	(VERDICT_TEXT_MAX + 32)
#define OUTPUT_MAX	65536	/* bytes waiting before we stop reading */
#define TICK_S		60
#define IDLE_TICKS	60	/* an hour: Postfix keeps connections */
#define STOP_S		2	/* for answers that are on their way */
#define SAY_EVERY_MS	10000

struct client {
	struct policy_server	*server;
	struct bufferevent	*bev;
	struct policy_parser	 parser;
	unsigned int		 tick;		/* last heard of */
	bool			 full;		/* reading waits for writing */
	bool			 closing;	/* once all is written */
	LIST_ENTRY(client)	 link;
};

struct policy_server {
	struct board		*board;
	struct endpoint		 where;
	struct event_base	*base;
	struct listener		*listener;
	struct event		*ticker, *stopper, *deadline;
	int			 stop_fd[2];
	pthread_t		 thread;
	LIST_HEAD(, client)	 clients;
	unsigned int		 client_count;
	unsigned int		 tick;
	bool			 stopping;
	int64_t			 said_full_ms, said_bad_ms;	/* monotonic */
	unsigned int		 unsaid_bad;
};

/* The client is gone when this returns. */
static void
client_free(struct client *c)
{
	struct policy_server *s = c->server;

	LIST_REMOVE(c, link);
	bufferevent_free(c->bev);
	free(c);
	atomic_fetch_sub(&front_stats[FRONT_POLICY].connections, 1);
	if (s->client_count-- == CLIENTS_MAX && !s->stopping)
		listener_resume(s->listener);
	if (s->stopping && s->client_count == 0)
		event_base_loopbreak(s->base);
}

/* Reads no more, and frees the client when its answers are out: at once if
 * none is waiting. */
static void
client_close(struct client *c)
{
	bufferevent_disable(c->bev, EV_READ);
	c->closing = true;
	if (evbuffer_get_length(bufferevent_get_output(c->bev)) == 0)
		client_free(c);
}

/* One line for many: whoever talks nonsense may do so at any speed.  What
 * is complained of begins at line. */
static void
log_malformed(struct client *c, const char *why, const char *line, size_t len)
{
	size_t end = 0;
	struct policy_server *s = c->server;
	char host[NI_MAXHOST] = "a local program", text[64], more[48] = "";
	struct sockaddr_storage ss;
	socklen_t ss_len = sizeof(ss);
	int64_t now_ms = clock_mono_ms();

	atomic_fetch_add(&front_stats[FRONT_POLICY].malformed, 1);
	if (s->said_bad_ms != 0 && now_ms - s->said_bad_ms < SAY_EVERY_MS) {
		s->unsaid_bad++;
		return;
	}
	if (s->unsaid_bad > 0)
		snprintf(more, sizeof(more), "; %u like it since the last "
		    "such line", s->unsaid_bad);
	s->unsaid_bad = 0;
	s->said_bad_ms = now_ms;
	if (getpeername(bufferevent_getfd(c->bev), (struct sockaddr *)&ss,
	    &ss_len) == 0 && ss.ss_family != AF_UNIX)
		getnameinfo((struct sockaddr *)&ss, ss_len, host,
		    sizeof(host), NULL, 0, NI_NUMERICHOST);
	while (end < len && line[end] != '\n' && line[end] != '\0')
		end++;
	log_warnx("policy: closing a connection of %s that sent %s: \"%s\"%s",
	    host, why, text_clean(text, sizeof(text), line, end), more);
}

static const char *
known(const char *value)
{
	return value != NULL && *value != '\0' ? value : NULL;
}

/*
 * Before MAIL there is no sender to decide about, and VRFY and ETRN send no
 * mail.  At DATA and END-OF-MESSAGE of a message with several recipients
 * Postfix leaves the recipient empty: then the sender alone decides.
 */
static bool
has_envelope(const char *state)
{
	static const char *const states[] = {
		"RCPT", "END-OF-MESSAGE", "DATA", "MAIL",
	};
	size_t i;

	if (known(state) == NULL)
		return true;
	for (i = 0; i < sizeof(states) / sizeof(states[0]); i++)
		if (strcmp(state, states[i]) == 0)
			return true;
	return false;
}

/* Writes the answer to line[ANSWER_MAX] and returns its length. */
static size_t
answer(struct board *board, const struct policy_request *req, char *line)
{
	const char *const *value = req->value;
	struct envelope env = {
		.sender = value[POLICY_SENDER],
		.recipient = known(value[POLICY_RECIPIENT]),
		.account = known(value[POLICY_SASL_USERNAME]),
	};
	char text[VERDICT_TEXT_MAX];
	enum action act = ACT_PASS;

	if (has_envelope(value[POLICY_STATE]))
		act = front_ask(FRONT_POLICY, board, &env, text);
	if (act == ACT_TEMPFAIL)
		return (size_t)snprintf(line, ANSWER_MAX,
		    "action=451 4.7.1 %s\n\n", text);
	if (act == ACT_HOLD)
		return (size_t)snprintf(line, ANSWER_MAX,
		    "action=HOLD %s\n\n", text);
	strcpy(line, "action=DUNNO\n\n");
	return strlen(line);
}

/*
 * An answer nearly always fits into the socket's buffer, and to write it at
 * once spares the loop two system calls and a turn; libevent does the rest,
 * errors included.
 */
static void
client_send(struct client *c, const char *line, size_t len)
{
	ssize_t n = 0;

	if (evbuffer_get_length(bufferevent_get_output(c->bev)) == 0)
		n = write(bufferevent_getfd(c->bev), line, len);
	if (n < (ssize_t)len)
		bufferevent_write(c->bev, line + (n > 0 ? n : 0),
		    len - (size_t)(n > 0 ? n : 0));
}

/*
 * Answers what has arrived, until too much is waiting to be written.  May
 * free the client.
 */
static void
client_serve(struct client *c)
{
	struct evbuffer *in = bufferevent_get_input(c->bev);
	struct evbuffer *out = bufferevent_get_output(c->bev);
	struct policy_request req;
	char line[ANSWER_MAX], *buf;
	const char *why;
	size_t len, used;

	while ((len = evbuffer_get_length(in)) > 0) {
		if (evbuffer_get_length(out) >= OUTPUT_MAX) {
			c->full = true;
			bufferevent_disable(c->bev, EV_READ);
			return;
		}
		buf = (char *)evbuffer_pullup(in, -1);
		switch (policy_request_read(&c->parser, buf, len, &req,
		    &used, &why)) {
		case POLICY_MORE:
			return;
		case POLICY_READY:
			client_send(c, line, answer(c->server->board, &req,
			    line));
			evbuffer_drain(in, used);
			memset(&c->parser, 0, sizeof(c->parser));
			break;
		case POLICY_MALFORMED:
			log_malformed(c, why, buf + used, len - used);
			client_close(c);
			return;
		}
	}
}

static void
read_cb(struct bufferevent *bev, void *ctx)
{
	struct client *c = ctx;

	(void)bev;
	c->tick = c->server->tick;
	client_serve(c);
}

/* All is written. */
static void
write_cb(struct bufferevent *bev, void *ctx)
{
	struct client *c = ctx;

	if (c->closing) {
		client_free(c);
	} else if (c->full) {
		c->full = false;
		bufferevent_enable(bev, EV_READ);
		client_serve(c);
	}
}

static void
event_cb(struct bufferevent *bev, short what, void *ctx)
{
	struct client *c = ctx;

	(void)bev;
	if (what & BEV_EVENT_ERROR)
		client_free(c);
	else if (what & BEV_EVENT_EOF)
		client_close(c);
}

static void
accept_cb(struct evconnlistener *lev, evutil_socket_t fd,
    struct sockaddr *sa, int len, void *ctx)
{
	struct policy_server *s = ctx;
	struct client *c = xcalloc(1, sizeof(*c));
	int64_t now_ms;
	int on = 1;

	(void)lev;
	(void)len;
	/* Answers are one packet each and somebody waits for every one. */
	if (sa->sa_family != AF_UNIX)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	c->server = s;
	c->tick = s->tick;
	c->bev = bufferevent_socket_new(s->base, fd, BEV_OPT_CLOSE_ON_FREE);
	if (c->bev == NULL) {
		close(fd);
		free(c);
		return;
	}
	bufferevent_setcb(c->bev, read_cb, write_cb, event_cb, c);
	bufferevent_setwatermark(c->bev, EV_READ, 0, POLICY_REQUEST_MAX);
	LIST_INSERT_HEAD(&s->clients, c, link);
	atomic_fetch_add(&front_stats[FRONT_POLICY].connections, 1);
	bufferevent_enable(c->bev, EV_READ | EV_WRITE);
	if (++s->client_count < CLIENTS_MAX)
		return;
	listener_pause(s->listener);
	now_ms = clock_mono_ms();
	if (s->said_full_ms == 0 || now_ms - s->said_full_ms >= SAY_EVERY_MS) {
		s->said_full_ms = now_ms;
		log_warnx("policy: %d connections are open: new ones wait "
		    "until one of them closes", CLIENTS_MAX);
	}
}

static void
tick_cb(evutil_socket_t fd, short events, void *ctx)
{
	struct policy_server *s = ctx;
	struct client *c, *next;

	(void)fd;
	(void)events;
	s->tick++;
	for (c = LIST_FIRST(&s->clients); c != NULL; c = next) {
		next = LIST_NEXT(c, link);
		if (s->tick - c->tick > IDLE_TICKS)
			client_free(c);
	}
}

static void
stop_cb(evutil_socket_t fd, short events, void *ctx)
{
	static const struct timeval grace = { STOP_S, 0 };
	struct policy_server *s = ctx;
	struct client *c, *next;

	(void)fd;
	(void)events;
	event_del(s->stopper);
	s->stopping = true;
	listener_free(s->listener);
	s->listener = NULL;
	for (c = LIST_FIRST(&s->clients); c != NULL; c = next) {
		next = LIST_NEXT(c, link);
		client_close(c);
	}
	if (s->client_count == 0)
		event_base_loopbreak(s->base);
	else
		evtimer_add(s->deadline, &grace);
}

static void
deadline_cb(evutil_socket_t fd, short events, void *ctx)
{
	struct policy_server *s = ctx;

	(void)fd;
	(void)events;
	event_base_loopbreak(s->base);
}

static void *
policy_main(void *ctx)
{
	struct policy_server *s = ctx;

	event_base_dispatch(s->base);
	return NULL;
}

static void
server_free(struct policy_server *s)
{
	struct client *c;

	while ((c = LIST_FIRST(&s->clients)) != NULL)
		client_free(c);
	listener_free(s->listener);
	if (s->ticker != NULL)
		event_free(s->ticker);
	if (s->stopper != NULL)
		event_free(s->stopper);
	if (s->deadline != NULL)
		event_free(s->deadline);
	if (s->base != NULL)
		event_base_free(s->base);
	if (s->stop_fd[0] != -1)
		close(s->stop_fd[0]);
	if (s->stop_fd[1] != -1)
		close(s->stop_fd[1]);
	free(s);
}

/* The loop and what is always on it.  fd is taken over. */
static bool
set_up(struct policy_server *s, int fd)
{
	static const struct timeval every = { TICK_S, 0 };
	struct event_config *cfg = event_config_new();

	if (cfg != NULL) {
		event_config_set_flag(cfg, EVENT_BASE_FLAG_NOLOCK);
		s->base = event_base_new_with_config(cfg);
		event_config_free(cfg);
	}
	if (s->base == NULL) {
		close(fd);
		return false;
	}
	s->listener = listener_new(s->base, fd, accept_cb, s);
	s->ticker = event_new(s->base, -1, EV_PERSIST, tick_cb, s);
	s->deadline = evtimer_new(s->base, deadline_cb, s);
	if (s->listener == NULL || s->ticker == NULL || s->deadline == NULL ||
	    pipe(s->stop_fd) == -1)
		return false;
	fcntl(s->stop_fd[0], F_SETFD, FD_CLOEXEC);
	fcntl(s->stop_fd[1], F_SETFD, FD_CLOEXEC);
	s->stopper = event_new(s->base, s->stop_fd[0], EV_READ, stop_cb, s);
	return s->stopper != NULL && event_add(s->stopper, NULL) == 0 &&
	    event_add(s->ticker, &every) == 0;
}

struct policy_server *
policy_server_start(struct board *board, const struct endpoint *where,
    const char *socket_group)
{
	struct policy_server *s;
	sigset_t all, old;
	int fd, error;

	if ((fd = listener_socket(where, "policy")) == -1)
		return NULL;
	listener_permit(where, socket_group, "policy");
	s = xcalloc(1, sizeof(*s));
	s->board = board;
	s->where = *where;
	s->stop_fd[0] = s->stop_fd[1] = -1;
	LIST_INIT(&s->clients);
	if (!set_up(s, fd)) {
		error = errno;
		log_warn("policy: the service cannot be set up");
		server_free(s);
		errno = error;
		return NULL;
	}
	/* Signals are for the main thread. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	error = pthread_create(&s->thread, NULL, policy_main, s);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (error != 0) {
		errno = error;
		log_warn("policy: no thread for the service");
		server_free(s);
		errno = error;
		return NULL;
	}
	return s;
}

void
policy_server_stop(struct policy_server *s)
{
	if (s == NULL)
		return;
	/* First, for a successor must not lose its own to us. */
	if (s->where.kind == ENDPOINT_UNIX)
		unlink(s->where.path);
	close(s->stop_fd[1]);
	s->stop_fd[1] = -1;
	pthread_join(s->thread, NULL);
	server_free(s);
}
