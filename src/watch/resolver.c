/*
 * resolver.c - questions to DNS servers, asynchronously
 *
 * The only file that knows c-ares.  Written to the interface of 1.18 and
 * correct on 1.34: ARES_FLAG_NOCHECKRESP makes both tell SERVFAIL, REFUSED
 * and silence apart, and the answer cache of the newer is switched off,
 * since an answer from a cache proves nothing about the list now.
 */
#define CARES_NO_DEPRECATED
#include "watch/resolver.h"

#include <sys/queue.h>
#include <sys/time.h>
#include <arpa/inet.h>
#include <netdb.h>

#include <stdlib.h>
#include <string.h>

#include <ares.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"

#define RECEIVE_BUFFER	(1024 * 1024)	/* bursts overrun the default */
#define DATAGRAM_MAX	512	/* RFC 1035 section 4.2.1 */
#define DNS_PORT	53
#define CLASS_IN	1

struct question {
	TAILQ_ENTRY(question)	 link;		/* waiting, or open */
	struct resolver		*resolver;
	size_t			 server;
	bool			 over_tcp;
	char			*name, *zone;
	int			 type;
	resolver_cb		*cb;
	void			*ctx;
};

TAILQ_HEAD(questions, question);

/* A socket of a channel that the loop watches. */
struct channel;
struct watched {
	LIST_ENTRY(watched)	 link;
	struct channel		*channel;
	ares_socket_t		 fd;
	struct event		*ev;
};

struct server {
	struct resolver		*resolver;
	struct endpoint		 endpoint;
	char			 name[ENDPOINT_TEXT_MAX];
	/* One for UDP, one for what was cut there: c-ares takes a dead TCP
	 * connection for a dead server and gives up all its questions. */
	struct channel {
		struct server		*server;
		ares_channel		 ares;
		LIST_HEAD(, watched)	 sockets;
	}			 udp, tcp;
};

/* Somebody who waits, see resolver_later(). */
struct sleeper {
	LIST_ENTRY(sleeper)	 link;
	struct event		*wake;
	resolver_later_cb	*cb;
	void			*ctx;
};

struct resolver {
	struct event_base	*base;
	LIST_HEAD(, sleeper)	 sleepers;
	struct server		*servers;
	size_t			 server_count;
	struct questions	 urgent, waiting;
	size_t			 waiting_count;
	int			 open, parallel;
	double			 rate, tokens;	/* a bucket, see may_ask() */
	int64_t			 filled_ms;	/* monotonic */
	struct event		*refill;
	struct event		*pump;		/* launches what waits */
	struct event		*tick;		/* lets c-ares see time-outs */
	struct timeval		 tick_every;
	uint64_t		 asked;
	bool			 closing;
};

/* --- c-ares on the loop ------------------------------------------------ */

static void
socket_cb(evutil_socket_t fd, short what, void *arg)
{
	struct watched *w = arg;
	ares_channel channel = w->channel->ares;

	/* May close the socket and free w. */
	ares_process_fd(channel, (what & EV_READ) ? fd : ARES_SOCKET_BAD,
	    (what & EV_WRITE) ? fd : ARES_SOCKET_BAD);
}

static void
socket_state_cb(void *arg, ares_socket_t fd, int readable, int writable)
{
	struct channel *s = arg;
	struct watched *w;
	short what = EV_PERSIST;

	LIST_FOREACH(w, &s->sockets, link) {
		if (w->fd == fd)
			break;
	}
	if (w != NULL && w->ev != NULL) {
		event_free(w->ev);
		w->ev = NULL;
	}
	if (!readable && !writable) {
		if (w != NULL) {
			LIST_REMOVE(w, link);
			free(w);
		}
		return;
	}
	if (w == NULL) {
		w = xcalloc(1, sizeof(*w));
		w->channel = s;
		w->fd = fd;
		LIST_INSERT_HEAD(&s->sockets, w, link);
	}
	if (readable)
		what |= EV_READ;
	if (writable)
		what |= EV_WRITE;
	w->ev = event_new(s->server->resolver->base, fd, what, socket_cb,
	    w);
	if (w->ev == NULL || event_add(w->ev, NULL) == -1)
		log_warnx("DNS: cannot watch a socket");
}

static void
tick_cb(evutil_socket_t fd, short what, void *arg)
{
	struct resolver *r = arg;
	size_t i;

	(void)fd;
	(void)what;
	for (i = 0; i < r->server_count; i++) {
		ares_process_fd(r->servers[i].udp.ares, ARES_SOCKET_BAD,
		    ARES_SOCKET_BAD);
		ares_process_fd(r->servers[i].tcp.ares, ARES_SOCKET_BAD,
		    ARES_SOCKET_BAD);
	}
	if (r->open > 0)
		event_add(r->tick, &r->tick_every);
}

/* --- questions --------------------------------------------------------- */

static void
finish(struct question *q, const struct reply *reply)
{
	q->cb(q->ctx, reply);
	free(q->name);
	free(q->zone);
	free(q);
}

static enum reply_status
status_of(int status)
{
	switch (status) {
	case ARES_ETIMEOUT:
		return REPLY_TIMEOUT;
	case ARES_ECONNREFUSED:
		return REPLY_NETWORK;
	case ARES_EBADNAME:
		return REPLY_BADNAME;
	case ARES_ECANCELLED:
	case ARES_EDESTRUCTION:
		return REPLY_CANCELLED;
	default:
		return REPLY_BAD;
	}
}

static void
answer_cb(void *arg, int status, int timeouts, unsigned char *msg, int len)
{
	struct question *q = arg;
	struct resolver *r = q->resolver;
	struct reply reply = { 0 };

	(void)timeouts;
	if (msg != NULL && len > 0)
		reply_read(msg, (size_t)len, q->name, q->zone, q->type,
		    &reply);
	else
		reply.status = status_of(status);
	/* c-ares itself cuts what is longer than a datagram without EDNS may
	 * be, whether it is marked or not. */
	if (reply.status == REPLY_BAD && len == DATAGRAM_MAX)
		reply.cut = true;
	if (reply.cut && !q->over_tcp && !r->closing) {
		q->over_tcp = true;
		ares_query(r->servers[q->server].tcp.ares, q->name, CLASS_IN,
		    q->type, answer_cb, q);
		return;
	}
	r->open--;
	if (!r->closing && (!TAILQ_EMPTY(&r->urgent) ||
	    !TAILQ_EMPTY(&r->waiting)))
		event_active(r->pump, 0, 0);
	finish(q, &reply);
}

/* A token bucket that holds as much as may be in flight: bursts of that
 * size pass, and the average stays at the rate. */
static bool
may_ask(struct resolver *r)
{
	struct timeval soon;
	int64_t now, wait;

	if (r->rate <= 0)
		return true;
	now = clock_mono_ms();
	r->tokens += (double)(now - r->filled_ms) * r->rate / 1000;
	if (r->tokens > r->parallel)
		r->tokens = r->parallel;
	r->filled_ms = now;
	if (r->tokens >= 1) {
		r->tokens -= 1;
		return true;
	}
	wait = (int64_t)(1000 * (1 - r->tokens) / r->rate) + 1;
	soon = (struct timeval){ wait / 1000, (wait % 1000) * 1000 };
	event_add(r->refill, &soon);
	return false;
}

static struct question *
next_question(struct resolver *r)
{
	struct question *q;

	if ((q = TAILQ_FIRST(&r->urgent)) != NULL) {
		TAILQ_REMOVE(&r->urgent, q, link);
	} else {
		if ((q = TAILQ_FIRST(&r->waiting)) == NULL || !may_ask(r))
			return NULL;
		TAILQ_REMOVE(&r->waiting, q, link);
	}
	r->waiting_count--;
	return q;
}

static void
pump_cb(evutil_socket_t fd, short what, void *arg)
{
	struct resolver *r = arg;
	struct question *q;

	(void)fd;
	(void)what;
	while (r->open < r->parallel && (q = next_question(r)) != NULL) {
		r->open++;
		r->asked++;
		/* A name that is too long calls back from within. */
		ares_query(r->servers[q->server].udp.ares, q->name,
		    CLASS_IN, q->type, answer_cb, q);
	}
	if (r->open > 0 && !evtimer_pending(r->tick, NULL))
		event_add(r->tick, &r->tick_every);
}

void
resolver_ask(struct resolver *r, size_t server, const char *name,
    const char *zone, int type, bool urgent, resolver_cb *cb, void *ctx)
{
	struct question *q = xcalloc(1, sizeof(*q));

	*q = (struct question){ .resolver = r, .server = server,
	    .name = xstrdup(name), .zone = xstrdup(zone), .type = type,
	    .cb = cb, .ctx = ctx };
	r->waiting_count++;
	if (urgent)
		TAILQ_INSERT_TAIL(&r->urgent, q, link);
	else
		TAILQ_INSERT_TAIL(&r->waiting, q, link);
	event_active(r->pump, 0, 0);
}

static void
wake(struct sleeper *s, bool cancelled)
{
	LIST_REMOVE(s, link);
	event_free(s->wake);
	s->cb(s->ctx, cancelled);
	free(s);
}

static void
wake_cb(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	wake(arg, false);
}

void
resolver_later(struct resolver *r, int64_t wait_ms, resolver_later_cb *cb,
    void *ctx)
{
	struct timeval tv = { wait_ms / 1000, (wait_ms % 1000) * 1000 };
	struct sleeper *s = xcalloc(1, sizeof(*s));

	s->cb = cb;
	s->ctx = ctx;
	LIST_INSERT_HEAD(&r->sleepers, s, link);
	if ((s->wake = evtimer_new(r->base, wake_cb, s)) == NULL)
		fatalx("cannot set up a timer");
	event_add(s->wake, &tv);
}

/* --- servers ----------------------------------------------------------- */

static bool
open_channel(struct server *s, struct channel *c, int flags,
    const struct resolver_conf *conf)
{
	struct ares_addr_port_node node = { 0 };
	struct ares_options options = { 0 };
	int mask;

	c->server = s;
	LIST_INIT(&c->sockets);
	options.flags = ARES_FLAG_NOCHECKRESP | ARES_FLAG_NOSEARCH |
	    ARES_FLAG_NOALIASES | flags;
	options.timeout = (int)conf->timeout_ms;
	options.tries = conf->tries;
	options.ndomains = 0;
	options.lookups = (char *)(uintptr_t)"b";
	options.socket_receive_buffer_size = RECEIVE_BUFFER;
	options.sock_state_cb = socket_state_cb;
	options.sock_state_cb_data = c;
	mask = ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES |
	    ARES_OPT_DOMAINS | ARES_OPT_LOOKUPS | ARES_OPT_SOCK_RCVBUF |
	    ARES_OPT_SOCK_STATE_CB;
#ifdef ARES_OPT_QUERY_CACHE
	options.qcache_max_ttl = 0;
	mask |= ARES_OPT_QUERY_CACHE;
#endif
	if (ares_init_options(&c->ares, &options, mask) != ARES_SUCCESS)
		return false;
	node.family = s->endpoint.addr.family == ADDR_IPV6 ? AF_INET6 :
	    AF_INET;
	memcpy(&node.addr, s->endpoint.addr.bytes,
	    node.family == AF_INET6 ? 16 : 4);
	node.udp_port = node.tcp_port = s->endpoint.port;
	return ares_set_servers_ports(c->ares, &node) == ARES_SUCCESS;
}

/* The name servers that resolv.conf gives, as c-ares reads it. */
static size_t
system_servers(struct endpoint **out)
{
	struct ares_addr_port_node *nodes = NULL, *n;
	ares_channel channel;
	size_t count = 0;

	*out = NULL;
	if (ares_init(&channel) != ARES_SUCCESS)
		return 0;
	if (ares_get_servers_ports(channel, &nodes) == ARES_SUCCESS) {
		for (n = nodes; n != NULL; n = n->next) {
			struct endpoint e = { .kind = ENDPOINT_INET,
			    .port = n->udp_port != 0 ?
			    (uint16_t)n->udp_port : DNS_PORT };

			e.addr.family = n->family == AF_INET6 ? ADDR_IPV6 :
			    ADDR_IPV4;
			memcpy(e.addr.bytes, &n->addr,
			    n->family == AF_INET6 ? 16 : 4);
			*out = xreallocarray(*out, count + 1, sizeof(**out));
			(*out)[count++] = e;
		}
	}
	ares_free_data(nodes);
	ares_destroy(channel);
	return count;
}

static void
name_server(struct server *s)
{
	char text[ENDPOINT_TEXT_MAX], addr[ADDR_TEXT_MAX];

	if (s->endpoint.port == DNS_PORT)
		text_copy(s->name, sizeof(s->name),
		    addr_text(&s->endpoint.addr, addr));
	else
		text_copy(s->name, sizeof(s->name),
		    endpoint_text(&s->endpoint, text) + strlen("inet:"));
}

struct resolver *
resolver_new(struct event_base *base, const struct resolver_conf *conf,
    const char **why)
{
	struct resolver *r = xcalloc(1, sizeof(*r));
	struct endpoint *found = NULL;
	const struct endpoint *servers = conf->servers;
	size_t i, count = conf->server_count;
	int64_t every;

	*why = NULL;
	r->base = base;
	r->parallel = conf->parallel;
	r->rate = conf->rate;
	r->tokens = conf->parallel;
	r->filled_ms = clock_mono_ms();
	LIST_INIT(&r->sleepers);
	TAILQ_INIT(&r->urgent);
	TAILQ_INIT(&r->waiting);
	every = conf->timeout_ms / 8;
	every = every < 10 ? 10 : every > 250 ? 250 : every;
	r->tick_every = (struct timeval){ every / 1000,
	    (every % 1000) * 1000 };
	r->pump = event_new(base, -1, 0, pump_cb, r);
	r->tick = evtimer_new(base, tick_cb, r);
	r->refill = evtimer_new(base, pump_cb, r);
	if (r->pump == NULL || r->tick == NULL || r->refill == NULL ||
	    ares_library_init(ARES_LIB_INIT_ALL) != ARES_SUCCESS)
		fatalx("DNS: cannot set up the resolver");
	if (count == 0)
		servers = found = (count = system_servers(&found)) > 0 ?
		    found : NULL;
	r->servers = xcalloc(count, sizeof(*r->servers));
	for (i = 0; i < count; i++) {
		struct server *s = &r->servers[r->server_count];

		s->resolver = r;
		s->endpoint = servers[i];
		name_server(s);
		if (!open_channel(s, &s->udp, ARES_FLAG_IGNTC, conf) ||
		    !open_channel(s, &s->tcp, ARES_FLAG_USEVC, conf))
			log_warnx("DNS: cannot use server %s", s->name);
		else
			r->server_count++;
	}
	free(found);
	if (r->server_count == 0) {
		*why = "there is no DNS server to ask: name one with "
		    "check = { resolvers = [\"127.0.0.1\"]; };";
		resolver_free(r);
		return NULL;
	}
	return r;
}

void
resolver_free(struct resolver *r)
{
	static const struct reply cancelled = { .status = REPLY_CANCELLED };
	struct question *q;
	size_t i;

	if (r == NULL)
		return;
	r->closing = true;
	/* Callbacks may ask again; such questions are cancelled below. */
	for (i = 0; i < r->server_count; i++) {
		ares_destroy(r->servers[i].udp.ares);
		ares_destroy(r->servers[i].tcp.ares);
	}
	while (!LIST_EMPTY(&r->sleepers))
		wake(LIST_FIRST(&r->sleepers), true);
	r->rate = 0;
	while ((q = next_question(r)) != NULL)
		finish(q, &cancelled);
	event_free(r->pump);
	event_free(r->refill);
	event_free(r->tick);
	free(r->servers);
	free(r);
	ares_library_cleanup();
}

size_t
resolver_server_count(const struct resolver *r)
{
	return r->server_count;
}

const char *
resolver_server_name(const struct resolver *r, size_t server)
{
	return r->servers[server].name;
}

size_t
resolver_waiting(const struct resolver *r)
{
	return r->waiting_count;
}

uint64_t
resolver_asked(const struct resolver *r)
{
	return r->asked;
}
