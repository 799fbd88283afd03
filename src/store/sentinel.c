/*
 * sentinel.c - which Redis server is the master, by Redis Sentinel
 *
 * Two connections: a short one for each question, to one Sentinel after the
 * other, and a lasting one that has subscribed to +switch-master.  In the
 * lasting one SUBSCRIBE is said again and again: an answer shows that the
 * other end is alive.
 */
#include "store/sentinel.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"

#define CHANNEL		"+switch-master"
#define POLL_MS		5000
#define AGAIN_MS	1000
#define HEARTBEAT_MS	1000
#define WHY_MAX		256

struct sentinel {
	struct event_base	*base;
	struct sentinel_conf	 conf;
	struct redis_conn_limits limits;
	struct sentinel_callbacks cbs;
	void			*ctx;
	int			 poll_ms, again_ms, heartbeat_ms;

	struct redis_conn	*asking, *listening;
	size_t			 ask_next, listen_next;	/* indexes */
	char			 asked[ENDPOINT_TEXT_MAX];
	bool			 wanted;	/* somebody waits for it */
	struct event		*poll, *listen, *heartbeat;
	char			 master[ENDPOINT_TEXT_MAX];	/* told last */
	/* Of the fail-over that this is from. */
	int64_t			 epoch;
	size_t			 behind;	/* answers in a row before it */
};

static void
arm(struct event *timer, int ms)
{
	struct timeval tv = { ms / 1000, ms % 1000 * 1000 };

	event_add(timer, &tv);
}

static void
greet(struct sentinel *s, struct redis_conn *c)
{
	if (s->conf.password != NULL && s->conf.username != NULL)
		redis_conn_sendl(c, NULL, NULL, "AUTH", s->conf.username,
		    s->conf.password, NULL);
	else if (s->conf.password != NULL)
		redis_conn_sendl(c, NULL, NULL, "AUTH", s->conf.password,
		    NULL);
}

static struct redis_conn *
open_next(struct sentinel *s, size_t *next,
    const struct redis_conn_handlers *handlers)
{
	const struct endpoint *e = &s->conf.servers[*next];

	*next = (*next + 1) % s->conf.server_count;
	if (next == &s->ask_next)
		endpoint_text(e, s->asked);
	return redis_conn_new(s->base, e, s->conf.tls, &s->limits, handlers,
	    s);
}

/* --- asking ------------------------------------------------------------ */

/* The question is over; the last use of what it was about. */
static void
answered(struct sentinel *s)
{
	redis_conn_free(s->asking);
	s->asking = NULL;
	s->wanted = false;
	arm(s->poll, s->poll_ms);
}

static void
tell_unknown(struct sentinel *s, const char *why)
{
	char text[WHY_MAX];
	bool wanted = s->wanted;

	snprintf(text, sizeof(text), "Sentinel %s: %s", s->asked, why);
	answered(s);
	if (wanted)
		s->cbs.unknown(s->ctx, text);
	else
		log_debug("redis: %s", text);
}

static void
tell_master(struct sentinel *s, const struct endpoint *e)
{
	endpoint_text(e, s->master);
	s->cbs.master(s->ctx, e);
}

/* The value of a field in the flat array that describes a master, or "". */
static const char *
field(const struct redis_reply *reply, const char *name)
{
	size_t i;

	for (i = 0; i + 1 < reply_count(reply); i += 2) {
		if (strcmp(reply_text(reply_at(reply, i), NULL), name) == 0)
			return reply_text(reply_at(reply, i + 1), NULL);
	}
	return "";
}

/* False if that is no address and port. */
static bool
read_master(const char *host, const char *port, struct endpoint *out)
{
	char text[ENDPOINT_TEXT_MAX];

	if (strlen(host) + strlen(port) + 4 > sizeof(text))
		return false;
	snprintf(text, sizeof(text), strchr(host, ':') != NULL ? "[%s]:%s" :
	    "%s:%s", host, port);
	return endpoint_parse_server(text, 0, out) == NULL &&
	    out->kind == ENDPOINT_INET;
}

static void
master_cb(void *ctx, void *arg, const struct redis_reply *reply)
{
	struct sentinel *s = ctx;
	char why[WHY_MAX], text[WHY_MAX / 2];
	const char *said, *host;
	struct endpoint e;
	int64_t epoch;
	size_t len;

	(void)arg;
	if (reply_kind(reply) == REPLY_ERROR) {
		said = reply_text(reply, &len);
		if (strncmp(said, "ERR No such master", 18) == 0)
			snprintf(why, sizeof(why), "it knows no master \"%s\""
			    ": see redis.master_name", s->conf.master_name);
		else
			snprintf(why, sizeof(why), "it says \"%s\"",
			    text_clean(text, sizeof(text), said, len));
		tell_unknown(s, why);
		return;
	}
	host = field(reply, "ip");
	if (!read_master(host, field(reply, "port"), &e)) {
		snprintf(why, sizeof(why), "it names the master \"%s\", which "
		    "is no address: set resolve-hostnames and "
		    "announce-hostnames to no there", text_clean(text, 64,
		    host, strlen(host)));
		tell_unknown(s, why);
		return;
	}
	epoch = strtoll(field(reply, "config-epoch"), NULL, 10);
	/* If all of them say so, they were set up anew. */
	if (epoch < s->epoch && ++s->behind < s->conf.server_count * 2) {
		tell_unknown(s, "it does not know of the last fail-over");
		return;
	}
	s->behind = 0;
	s->epoch = epoch;
	answered(s);
	tell_master(s, &e);
}

static void
ask_up(void *ctx)
{
	struct sentinel *s = ctx;

	greet(s, s->asking);
	redis_conn_sendl(s->asking, master_cb, NULL, "SENTINEL", "MASTER",
	    s->conf.master_name, NULL);
}

static void
ask_down(void *ctx, const char *why)
{
	tell_unknown(ctx, why);
}

static const struct redis_conn_handlers ask_handlers = {
	.up = ask_up,
	.down = ask_down,
};

static void
poll_cb(evutil_socket_t fd, short what, void *arg)
{
	struct sentinel *s = arg;

	(void)fd;
	(void)what;
	if (s->asking == NULL)
		s->asking = open_next(s, &s->ask_next, &ask_handlers);
}

void
sentinel_ask(struct sentinel *s)
{
	s->wanted = true;
	arm(s->poll, 0);
}

/* --- listening --------------------------------------------------------- */

static void
listen_again(struct sentinel *s, const char *why)
{
	log_debug("redis: listening to a Sentinel: %s", why);
	redis_conn_free(s->listening);
	s->listening = NULL;
	event_del(s->heartbeat);
	arm(s->listen, s->again_ms);
}

static void
subscribe_cb(void *ctx, void *arg, const struct redis_reply *reply)
{
	(void)arg;
	if (reply_kind(reply) == REPLY_ERROR)
		listen_again(ctx, reply_text(reply, NULL));
}

static void
subscribe(struct sentinel *s)
{
	redis_conn_sendl(s->listening, subscribe_cb, NULL, "SUBSCRIBE",
	    CHANNEL, NULL);
	arm(s->heartbeat, s->heartbeat_ms);
}

static void
listen_up(void *ctx)
{
	struct sentinel *s = ctx;

	greet(s, s->listening);
	subscribe(s);
	/* What happened before is not told here. */
	arm(s->poll, 0);
}

/* "<name> <old address> <old port> <new address> <new port>".  Anybody who
 * may publish there could say it; the server is asked for its role. */
static void
listen_message(void *ctx, const struct redis_reply *payload)
{
	struct sentinel *s = ctx;
	char name[128], host[64], port[16], text[ENDPOINT_TEXT_MAX];
	struct endpoint e;

	if (sscanf(reply_text(payload, NULL), "%127s %*63s %*15s %63s %15s",
	    name, host, port) != 3 ||
	    strcmp(name, s->conf.master_name) != 0 ||
	    !read_master(host, port, &e))
		return;
	/* Its number is not told, but it is higher.  The others hear of it
	 * only some milliseconds later, and would name the old one. */
	if (strcmp(endpoint_text(&e, text), s->master) != 0) {
		s->epoch++;
		s->behind = 0;
	}
	tell_master(s, &e);
	arm(s->poll, 0);
}

static void
listen_down(void *ctx, const char *why)
{
	listen_again(ctx, why);
}

static const struct redis_conn_handlers listen_handlers = {
	.up = listen_up,
	.message = listen_message,
	.down = listen_down,
};

static void
listen_cb(evutil_socket_t fd, short what, void *arg)
{
	struct sentinel *s = arg;

	(void)fd;
	(void)what;
	s->listening = open_next(s, &s->listen_next, &listen_handlers);
}

static void
heartbeat_cb(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	subscribe(arg);
}

/* --- the interface ----------------------------------------------------- */

struct sentinel *
sentinel_new(struct event_base *base, const struct sentinel_conf *conf,
    const struct redis_conn_limits *limits,
    const struct sentinel_callbacks *cbs, void *ctx)
{
	struct sentinel *s = xcalloc(1, sizeof(*s));

	s->base = base;
	s->conf = *conf;
	s->limits = *limits;
	s->cbs = *cbs;
	s->ctx = ctx;
	sentinel_pace(s, POLL_MS, AGAIN_MS, HEARTBEAT_MS);
	s->poll = event_new(base, -1, 0, poll_cb, s);
	s->listen = event_new(base, -1, 0, listen_cb, s);
	s->heartbeat = event_new(base, -1, 0, heartbeat_cb, s);
	if (s->poll == NULL || s->listen == NULL || s->heartbeat == NULL)
		fatalx("out of memory");
	arm(s->listen, 0);
	return s;
}

void
sentinel_pace(struct sentinel *s, int poll_ms, int again_ms,
    int heartbeat_ms)
{
	s->poll_ms = poll_ms;
	s->again_ms = again_ms;
	s->heartbeat_ms = heartbeat_ms;
}

void
sentinel_free(struct sentinel *s)
{
	if (s == NULL)
		return;
	redis_conn_free(s->asking);
	redis_conn_free(s->listening);
	event_free(s->poll);
	event_free(s->listen);
	event_free(s->heartbeat);
	free(s);
}
