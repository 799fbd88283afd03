/*
 * server.c - what the socket front ends share: everything but the protocol
 *
 * The loop belongs to one thread and nobody else touches it, so it needs no
 * locks; a pipe that is closed tells it to stop.
 *
 * Clients stand in the order in which they were last heard of.  That finds
 * the idle ones without a timer each: a mail server keeps hundreds of
 * connections, and a timer costs work on every request.
 */
#include "front/server.h"

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
#include "front/listener.h"

#define OUTPUT_MAX	65536	/* bytes waiting before we stop reading */
#define IDLE_LOOKS	60	/* for the idle, in the time they have */
#define STOP_S		2	/* for answers that are on their way */
#define SAY_EVERY_MS	10000

/* Who was heard of more lately is at work: he is not closed at once. */
#define AT_WORK_MS	100

struct client {
	struct server		*server;
	struct bufferevent	*bev;
	int64_t			 heard_ms;	/* monotonic */
	bool			 full;		/* reading waits for writing */
	bool			 closing;	/* once all is written */
	TAILQ_ENTRY(client)	 link;
	_Alignas(max_align_t) unsigned char parser[];
};

TAILQ_HEAD(clients, client);

struct server {
	const struct server_protocol *proto;
	void			*ctx;
	struct endpoint		 where;
	struct event_base	*base;
	struct listener		*listener;
	struct event		*ticker, *room, *stopper, *deadline;
	int			 stop_fd[2];
	pthread_t		 thread;
	char			*answer;	/* proto->answer_max */
	struct clients		 clients;	/* longest idle first */
	unsigned int		 client_count;
	bool			 stopping;
	int64_t			 said_full_ms, said_bad_ms;	/* monotonic */
	unsigned int		 unsaid_bad;
};

/* The client is gone when this returns. */
static void
client_free(struct client *c)
{
	struct server *s = c->server;

	TAILQ_REMOVE(&s->clients, c, link);
	bufferevent_free(c->bev);
	free(c);
	atomic_fetch_sub(&front_stats[s->proto->kind].connections, 1);
	if (s->client_count-- == s->proto->clients_max + 1 && !s->stopping) {
		event_del(s->room);
		listener_resume(s->listener);
	}
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

static void
client_heard(struct client *c)
{
	struct server *s = c->server;

	c->heard_ms = clock_mono_ms();
	TAILQ_REMOVE(&s->clients, c, link);
	TAILQ_INSERT_TAIL(&s->clients, c, link);
}

/* One line for many: whoever talks nonsense may do so at any speed.  What
 * is complained of begins at line. */
static void
log_malformed(struct client *c, const char *why, const char *line, size_t len)
{
	size_t end = 0;
	struct server *s = c->server;
	char host[NI_MAXHOST] = "a local program", text[64], more[48] = "";
	struct sockaddr_storage ss;
	socklen_t ss_len = sizeof(ss);
	int64_t now_ms = clock_mono_ms();

	atomic_fetch_add(&front_stats[s->proto->kind].malformed, 1);
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
	log_warnx("%s: closing a connection of %s that sent %s: \"%s\"%s",
	    s->proto->name, host, why,
	    text_clean(text, sizeof(text), line, end), more);
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
	const struct server_protocol *proto = c->server->proto;
	struct evbuffer *in = bufferevent_get_input(c->bev);
	struct evbuffer *out = bufferevent_get_output(c->bev);
	struct server_turn t;

	while ((t.len = evbuffer_get_length(in)) > 0) {
		if (evbuffer_get_length(out) >= OUTPUT_MAX) {
			c->full = true;
			bufferevent_disable(c->bev, EV_READ);
			return;
		}
		t.buf = (char *)evbuffer_pullup(in, -1);
		t.answer = c->server->answer;
		t.answer_len = 0;
		switch (proto->take(c->server->ctx, c->parser, &t)) {
		case SERVER_MORE:
			return;
		case SERVER_READY:
			client_send(c, t.answer, t.answer_len);
			evbuffer_drain(in, t.used);
			memset(c->parser, 0, proto->parser_size);
			break;
		case SERVER_MALFORMED:
			log_malformed(c, t.why, t.buf + t.used,
			    t.len - t.used);
			if (t.answer_len > 0)
				client_send(c, t.answer, t.answer_len);
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
	client_heard(c);
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

/* --- too many, too long ------------------------------------------------ */

/* A question is there that we have not read yet. */
static bool
has_asked(const struct client *c)
{
	char byte;

	return !c->full && !c->closing && recv(bufferevent_getfd(c->bev),
	    &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
}

/* Closes the client that is idle longest, if one is for idle_ms. */
static void
make_room(struct server *s, int64_t idle_ms)
{
	int64_t now_ms = clock_mono_ms();
	struct client *c;

	TAILQ_FOREACH(c, &s->clients, link) {
		if (now_ms - c->heard_ms < idle_ms)
			return;
		if (!has_asked(c)) {
			client_free(c);
			return;
		}
	}
}

static void
arm_room(struct server *s)
{
	static const struct timeval soon = { 0, AT_WORK_MS * 1000 };

	evtimer_add(s->room, &soon);
}

/* All were at work and one is too many: now it must be one of them. */
static void
room_cb(evutil_socket_t fd, short events, void *ctx)
{
	struct server *s = ctx;

	(void)fd;
	(void)events;
	make_room(s, 0);
	if (s->client_count > s->proto->clients_max)
		arm_room(s);
}

/* The new one is served in any case.  If nobody has gone for it, further
 * ones wait in the kernel. */
static void
too_many(struct server *s)
{
	int64_t now_ms = clock_mono_ms();

	if (s->said_full_ms == 0 || now_ms - s->said_full_ms >= SAY_EVERY_MS) {
		s->said_full_ms = now_ms;
		log_warnx("%s: %u connections are open: for each new one the "
		    "one that is idle longest is closed", s->proto->name,
		    s->proto->clients_max);
	}
	make_room(s, AT_WORK_MS);
	if (s->client_count > s->proto->clients_max) {
		listener_pause(s->listener);
		arm_room(s);
	}
}

static void
accept_cb(struct evconnlistener *lev, evutil_socket_t fd,
    struct sockaddr *sa, int len, void *ctx)
{
	struct server *s = ctx;
	struct client *c = xcalloc(1, sizeof(*c) + s->proto->parser_size);
	int on = 1;

	(void)lev;
	(void)len;
	/* Answers are one packet each and somebody waits for every one. */
	if (sa->sa_family != AF_UNIX)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	c->server = s;
	c->heard_ms = clock_mono_ms();
	c->bev = bufferevent_socket_new(s->base, fd, BEV_OPT_CLOSE_ON_FREE);
	if (c->bev == NULL) {
		close(fd);
		free(c);
		return;
	}
	bufferevent_setcb(c->bev, read_cb, write_cb, event_cb, c);
	bufferevent_setwatermark(c->bev, EV_READ, 0, s->proto->request_max);
	TAILQ_INSERT_TAIL(&s->clients, c, link);
	atomic_fetch_add(&front_stats[s->proto->kind].connections, 1);
	bufferevent_enable(c->bev, EV_READ | EV_WRITE);
	if (++s->client_count > s->proto->clients_max)
		too_many(s);
}

static void
tick_cb(evutil_socket_t fd, short events, void *ctx)
{
	struct server *s = ctx;
	int64_t now_ms = clock_mono_ms();
	struct client *c;

	(void)fd;
	(void)events;
	while ((c = TAILQ_FIRST(&s->clients)) != NULL &&
	    now_ms - c->heard_ms > s->proto->idle_ms)
		client_free(c);
}

/* --- start and stop ---------------------------------------------------- */

static void
stop_cb(evutil_socket_t fd, short events, void *ctx)
{
	static const struct timeval grace = { STOP_S, 0 };
	struct server *s = ctx;
	struct client *c, *next;

	(void)fd;
	(void)events;
	event_del(s->stopper);
	event_del(s->room);
	s->stopping = true;
	listener_free(s->listener);
	s->listener = NULL;
	for (c = TAILQ_FIRST(&s->clients); c != NULL; c = next) {
		next = TAILQ_NEXT(c, link);
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
	struct server *s = ctx;

	(void)fd;
	(void)events;
	event_base_loopbreak(s->base);
}

static void *
server_main(void *ctx)
{
	struct server *s = ctx;

	event_base_dispatch(s->base);
	return NULL;
}

static void
server_free(struct server *s)
{
	struct event *const events[] = { s->ticker, s->room, s->stopper,
	    s->deadline };
	struct client *c;
	size_t i;

	s->stopping = true;
	while ((c = TAILQ_FIRST(&s->clients)) != NULL)
		client_free(c);
	listener_free(s->listener);
	for (i = 0; i < sizeof(events) / sizeof(events[0]); i++) {
		if (events[i] != NULL)
			event_free(events[i]);
	}
	if (s->base != NULL)
		event_base_free(s->base);
	for (i = 0; i < 2; i++) {
		if (s->stop_fd[i] != -1)
			close(s->stop_fd[i]);
	}
	free(s->answer);
	free(s);
}

/* The loop and what is always on it.  fd is taken over. */
static bool
set_up(struct server *s, int fd)
{
	int64_t every_ms = s->proto->idle_ms / IDLE_LOOKS + 1;
	struct timeval every = { every_ms / 1000, every_ms % 1000 * 1000 };
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
	s->room = evtimer_new(s->base, room_cb, s);
	s->deadline = evtimer_new(s->base, deadline_cb, s);
	if (s->listener == NULL || s->ticker == NULL || s->room == NULL ||
	    s->deadline == NULL || pipe(s->stop_fd) == -1)
		return false;
	fcntl(s->stop_fd[0], F_SETFD, FD_CLOEXEC);
	fcntl(s->stop_fd[1], F_SETFD, FD_CLOEXEC);
	s->stopper = event_new(s->base, s->stop_fd[0], EV_READ, stop_cb, s);
	return s->stopper != NULL && event_add(s->stopper, NULL) == 0 &&
	    event_add(s->ticker, &every) == 0;
}

struct server *
server_start(const struct server_protocol *proto, void *ctx,
    const struct endpoint *where, const char *socket_group)
{
	struct server *s;
	sigset_t all, old;
	int fd, error;

	if ((fd = listener_socket(where, proto->name)) == -1)
		return NULL;
	listener_permit(where, socket_group, proto->name);
	s = xcalloc(1, sizeof(*s));
	s->proto = proto;
	s->ctx = ctx;
	s->where = *where;
	s->answer = xcalloc(1, proto->answer_max);
	s->stop_fd[0] = s->stop_fd[1] = -1;
	TAILQ_INIT(&s->clients);
	if (!set_up(s, fd)) {
		error = errno;
		log_warn("%s: the service cannot be set up", proto->name);
		server_free(s);
		errno = error;
		return NULL;
	}
	/* Signals are for the main thread. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	error = pthread_create(&s->thread, NULL, server_main, s);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (error != 0) {
		errno = error;
		log_warn("%s: no thread for the service", proto->name);
		server_free(s);
		errno = error;
		return NULL;
	}
	return s;
}

void
server_stop(struct server *s)
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
