/*
 * redis_conn.c - one connection to a Redis server
 *
 * hiredis brings a client of its own, but that one aborts the process when
 * a server sends one reply too many, so only its reader and its formatter
 * are used here.  The reader, in turn, believes any length that a peer
 * announces and, in some versions, any depth of nesting; so every byte goes
 * past a small scanner of our own first.
 */
#include "store/redis_conn.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <hiredis.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"

#define DEPTH_MAX	6	/* arrays in arrays; what we ask for has 2 */
#define ELEMENTS_MAX	200000	/* of one array */
#define LINE_MAX_BYTES	16384	/* of a status, an error, a number */
#define CHUNK		16384
#define WHY_MAX		256
#define COMMAND_MAX	16
#define QUEUE_MIN	32

/* Where in the protocol the bytes that come in stand. */
struct scan {
	char		 type;		/* of this element; '\0': none yet */
	bool		 minus, cr;
	uint64_t	 value;
	size_t		 line;		/* bytes of it so far */
	size_t		 skip;		/* bytes of a string's body to come */
	size_t		 bytes;		/* of this reply so far */
	size_t		 left[DEPTH_MAX];/* elements still to come */
	int		 depth;
};

struct request {
	redis_reply_cb	*cb;
	void		*arg;
	int64_t		 deadline_ms;	/* monotonic */
	char		 command[COMMAND_MAX];
};

struct redis_conn {
	const struct redis_conn_handlers *handlers;
	void			*ctx;
	struct redis_conn_limits limits;
	struct bufferevent	*bev;
	struct event		*timer;	/* connect, or the oldest request */
	redisReader		*reader;
	struct scan		 scan;
	struct request		*queue;	/* a ring */
	size_t			 queue_size, queue_head, queue_count;
	bool			 up, tls;
	bool			 over;	/* down was called */
	bool			 busy;	/* a loop below still needs it */
	bool			 dead;	/* to be freed by that loop */
	char			 doomed[WHY_MAX];	/* over, at the timer */
	/* An error that nobody listened to: a server that is full or
	 * protected says so to whatever came first, and hangs up. */
	char			 ignored[WHY_MAX / 2];
};

/* --- the scanner ------------------------------------------------------- */

/* One element is complete, and with it perhaps the arrays around it. */
static void
scan_element_end(struct scan *s)
{
	s->type = '\0';
	while (s->depth > 0) {
		if (--s->left[s->depth - 1] > 0)
			return;
		s->depth--;
	}
	s->bytes = 0;
}

/* The line that announces a string or an array is complete. */
static const char *
scan_length(struct scan *s, size_t reply_bytes)
{
	if (s->minus) {
		/* -1 is nil; no other is defined. */
		if (s->value != 1)
			return "it announces a negative length";
		scan_element_end(s);
	} else if (s->type == '$') {
		if (s->value > reply_bytes)
			return "it announces more than it may send";
		s->skip = (size_t)s->value + 2;	/* and CR LF */
	} else if (s->value == 0) {
		scan_element_end(s);
	} else if (s->value > ELEMENTS_MAX) {
		return "it announces more than it may send";
	} else if (s->depth == DEPTH_MAX) {
		return "its answer is nested too deeply";
	} else {
		s->left[s->depth++] = (size_t)s->value;
		s->type = '\0';
	}
	return NULL;
}

/* Follows n more bytes.  NULL, or what is wrong with them. */
static const char *
scan_bytes(struct scan *s, const char *p, size_t n, size_t reply_bytes)
{
	const char *wrong;
	size_t body;

	while (n > 0) {
		if (s->skip > 0) {
			body = n < s->skip ? n : s->skip;
			s->bytes += body;
			if (s->bytes > reply_bytes)
				return "its answer is too long";
			p += body;
			n -= body;
			if ((s->skip -= body) == 0)
				scan_element_end(s);
			continue;
		}
		if (++s->bytes > reply_bytes || ++s->line > LINE_MAX_BYTES)
			return "its answer is too long";
		if (s->type == '\0') {
			if (*p == '\0' || strchr("+-:$*", *p) == NULL)
				return "it does not speak the Redis protocol";
			s->type = *p;
			s->value = 0;
			s->line = 0;
			s->minus = s->cr = false;
		} else if (s->cr && *p == '\n') {
			if (s->type != '$' && s->type != '*')
				scan_element_end(s);
			else if ((wrong = scan_length(s, reply_bytes)) != NULL)
				return wrong;
			s->cr = false;
		} else if (*p == '\r') {
			s->cr = true;
		} else {
			s->cr = false;
			if (s->type == '$' || s->type == '*') {
				if (*p == '-' && s->value == 0 && !s->minus)
					s->minus = true;
				else if (*p < '0' || *p > '9' ||
				    s->value > UINT32_MAX)
					return "it does not speak the Redis "
					    "protocol";
				else
					s->value = s->value * 10 +
					    (uint64_t)(*p - '0');
			}
		}
		p++;
		n--;
	}
	return NULL;
}

/* --- the end of a connection ------------------------------------------- */

static void
conn_destroy(struct redis_conn *c)
{
	if (c->timer != NULL)
		event_free(c->timer);
	if (c->bev != NULL)
		bufferevent_free(c->bev);
	if (c->reader != NULL)
		redisReaderFree(c->reader);
	free(c->queue);
	free(c);
}

void
redis_conn_free(struct redis_conn *c)
{
	if (c == NULL)
		return;
	c->dead = true;
	if (!c->busy)
		conn_destroy(c);
}

/* The last use of c in its caller, unless that has set busy. */
static void
fail(struct redis_conn *c, const char *fmt, ...)
    __attribute__((__format__(__printf__, 2, 3)));

static void
fail(struct redis_conn *c, const char *fmt, ...)
{
	char why[WHY_MAX];
	va_list ap;

	if (c->over || c->dead)
		return;
	va_start(ap, fmt);
	vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	c->over = true;
	event_del(c->timer);
	if (c->bev != NULL)
		bufferevent_disable(c->bev, EV_READ | EV_WRITE);
	c->handlers->down(c->ctx, why);
}

/* For troubles found while the owner is calling us. */
static void
fail_soon(struct redis_conn *c, const char *why)
{
	if (c->doomed[0] == '\0')
		text_copy(c->doomed, sizeof(c->doomed), why);
	event_active(c->timer, EV_TIMEOUT, 0);
}

/* --- requests ---------------------------------------------------------- */

static void
arm(struct redis_conn *c, int64_t ms)
{
	struct timeval tv;

	if (ms < 1)
		ms = 1;
	tv.tv_sec = ms / 1000;
	tv.tv_usec = ms % 1000 * 1000;
	event_add(c->timer, &tv);
}

static struct request *
queue_push(struct redis_conn *c)
{
	struct request *bigger;
	size_t i, size;

	if (c->queue_count == c->queue_size) {
		size = c->queue_size == 0 ? QUEUE_MIN : c->queue_size * 2;
		bigger = xcalloc(size, sizeof(*bigger));
		for (i = 0; i < c->queue_count; i++)
			bigger[i] = c->queue[(c->queue_head + i) %
			    c->queue_size];
		free(c->queue);
		c->queue = bigger;
		c->queue_size = size;
		c->queue_head = 0;
	}
	return &c->queue[(c->queue_head + c->queue_count++) % c->queue_size];
}

void
redis_conn_send(struct redis_conn *c, redis_reply_cb *cb, void *arg,
    size_t argc, const char *const *argv)
{
	const char *args[REDIS_ARGS_MAX];
	struct request *q;
	char *wire = NULL;
	long long len;
	size_t i;

	if (c->over || c->dead || c->doomed[0] != '\0')
		return;
	if (!c->up || argc == 0 || argc > REDIS_ARGS_MAX) {
		fail_soon(c, "internal error: a request that cannot be sent");
		return;
	}
	if (c->queue_count >= c->limits.pending) {
		fail_soon(c, "too many requests wait for an answer");
		return;
	}
	for (i = 0; i < argc; i++)
		args[i] = argv[i];
	len = redisFormatCommandArgv(&wire, (int)argc, args, NULL);
	if (len < 0) {
		fail_soon(c, "out of memory");
		return;
	}
	bufferevent_write(c->bev, wire, (size_t)len);
	redisFreeCommand(wire);
	q = queue_push(c);
	q->cb = cb;
	q->arg = arg;
	q->deadline_ms = clock_mono_ms() + c->limits.answer_ms;
	text_copy(q->command, sizeof(q->command), args[0]);
	/* The oldest request's deadline is the first: one timer will do. */
	if (!event_pending(c->timer, EV_TIMEOUT, NULL))
		arm(c, c->limits.answer_ms);
}

void
redis_conn_sendl(struct redis_conn *c, redis_reply_cb *cb, void *arg, ...)
{
	const char *argv[REDIS_ARGS_MAX], *s;
	size_t argc = 0;
	va_list ap;

	va_start(ap, arg);
	while ((s = va_arg(ap, const char *)) != NULL && argc < REDIS_ARGS_MAX)
		argv[argc++] = s;
	va_end(ap);
	redis_conn_send(c, cb, arg, argc, argv);
}

/* A message of a subscription comes unasked. */
static const struct redis_reply *
message_payload(const struct redis_reply *reply)
{
	const struct redis_reply *first;

	if (reply_count(reply) != 3)
		return NULL;
	first = reply_at(reply, 0);
	if (reply_kind(first) != REPLY_STRING ||
	    strcmp(reply_text(first, NULL), "message") != 0)
		return NULL;
	return reply_at(reply, 2);
}

static void
dispatch(struct redis_conn *c, const struct redis_reply *reply)
{
	const struct redis_reply *payload;
	struct request q;
	const char *said;
	size_t len;

	if (c->handlers->message != NULL &&
	    (payload = message_payload(reply)) != NULL) {
		c->handlers->message(c->ctx, payload);
		return;
	}
	if (reply_kind(reply) == REPLY_ERROR && (c->queue_count == 0 ||
	    c->queue[c->queue_head].cb == NULL)) {
		said = reply_text(reply, &len);
		text_clean(c->ignored, sizeof(c->ignored), said, len);
	}
	if (c->queue_count == 0) {
		if (reply_kind(reply) == REPLY_ERROR)
			fail(c, "it says \"%s\"", c->ignored);
		else
			fail(c, "it answers what nobody asked");
		return;
	}
	if (reply_kind(reply) != REPLY_ERROR)
		c->ignored[0] = '\0';
	q = c->queue[c->queue_head];
	c->queue_head = (c->queue_head + 1) % c->queue_size;
	c->queue_count--;
	if (q.cb != NULL)
		q.cb(c->ctx, q.arg, reply);
}

/* --- libevent's callbacks ---------------------------------------------- */

/* Gives every complete reply to who asked for it. */
static void
take_replies(struct redis_conn *c)
{
	void *reply;

	while (!c->over && !c->dead) {
		reply = NULL;
		if (redisReaderGetReply(c->reader, &reply) != REDIS_OK) {
			fail(c, "it does not speak the Redis protocol");
			return;
		}
		if (reply == NULL)
			return;
		dispatch(c, reply);
		freeReplyObject(reply);
	}
}

static void
read_cb(struct bufferevent *bev, void *arg)
{
	struct redis_conn *c = arg;
	char chunk[CHUNK];
	const char *wrong;
	bool was_busy = c->busy;
	size_t n;

	c->busy = true;
	while (!c->over && !c->dead &&
	    (n = bufferevent_read(bev, chunk, sizeof(chunk))) > 0) {
		wrong = scan_bytes(&c->scan, chunk, n, c->limits.reply_bytes);
		if (wrong != NULL)
			fail(c, "%s", wrong);
		else if (redisReaderFeed(c->reader, chunk, n) != REDIS_OK)
			fail(c, "it does not speak the Redis protocol");
		else
			take_replies(c);
	}
	c->busy = was_busy;
	if (c->dead && !c->busy)
		conn_destroy(c);
}

/* A reset overtakes the server's last words, but does not undo them. */
static void
last_words(struct redis_conn *c)
{
	char text[WHY_MAX];
	ssize_t n;

	if (c->ignored[0] != '\0' || c->scan.bytes > 0 || c->tls)
		return;
	n = recv(bufferevent_getfd(c->bev), text, sizeof(text), MSG_DONTWAIT);
	if (n > 1 && text[0] == '-')
		text_clean(c->ignored, sizeof(c->ignored), text + 1,
		    (size_t)n - 1);
}

static void
event_cb(struct bufferevent *bev, short what, void *arg)
{
	struct redis_conn *c = arg;
	int one = 1, error = EVUTIL_SOCKET_ERROR();
	char trouble[WHY_MAX] = "";

	if (what & BEV_EVENT_CONNECTED) {
		/* Of no use on a Unix socket, and refused there. */
		setsockopt(bufferevent_getfd(bev), IPPROTO_TCP, TCP_NODELAY,
		    &one, sizeof(one));
		event_del(c->timer);
		c->up = true;
		c->handlers->up(c->ctx);
		return;
	}
	if (c->up)
		last_words(c);
	if (c->tls)
		redis_tls_trouble(bev, trouble, sizeof(trouble));
	if (trouble[0] != '\0')
		fail(c, "%s", trouble);
	else if (c->ignored[0] != '\0')
		fail(c, "it closed the connection after \"%s\"", c->ignored);
	else if (what & BEV_EVENT_EOF)
		fail(c, "it closed the connection");
	else
		fail(c, "%s%s", c->up ? "the connection broke: " : "",
		    evutil_socket_error_to_string(error));
}

static void
timer_cb(evutil_socket_t fd, short what, void *arg)
{
	struct redis_conn *c = arg;
	const struct request *oldest;
	int64_t left;

	(void)fd;
	(void)what;
	if (c->doomed[0] != '\0') {
		fail(c, "%s", c->doomed);
		return;
	}
	if (!c->up) {
		fail(c, "no connection within %d ms%s", c->limits.connect_ms,
		    c->tls ? ": does it speak TLS?" : "");
		return;
	}
	if (c->queue_count == 0)
		return;
	oldest = &c->queue[c->queue_head];
	left = oldest->deadline_ms - clock_mono_ms();
	if (left > 0)
		arm(c, left);
	else
		fail(c, "no answer to %s within %d ms", oldest->command,
		    c->limits.answer_ms);
}

struct redis_conn *
redis_conn_new(struct event_base *base, const struct endpoint *server,
    const struct redis_tls *tls, const struct redis_conn_limits *limits,
    const struct redis_conn_handlers *handlers, void *ctx)
{
	struct redis_conn *c = xcalloc(1, sizeof(*c));
	struct sockaddr_storage ss;
	socklen_t len = endpoint_sockaddr(server, &ss);
	char why[WHY_MAX];

	c->handlers = handlers;
	c->ctx = ctx;
	c->limits = *limits;
	c->timer = event_new(base, -1, 0, timer_cb, c);
	c->reader = redisReaderCreate();
	if (tls != NULL)
		c->bev = redis_tls_new(base, tls, server, why, sizeof(why));
	else
		c->bev = bufferevent_socket_new(base, -1,
		    BEV_OPT_CLOSE_ON_FREE);
	c->tls = c->bev != NULL && tls != NULL;
	if (c->timer == NULL || c->reader == NULL ||
	    (c->bev == NULL && tls == NULL))
		fatalx("out of memory");
	if (c->bev == NULL) {
		fail_soon(c, why);
		return c;
	}
	bufferevent_setcb(c->bev, read_cb, NULL, event_cb, c);
	bufferevent_enable(c->bev, EV_READ | EV_WRITE);
	arm(c, limits->connect_ms);
	errno = 0;
	if (bufferevent_socket_connect(c->bev, (struct sockaddr *)&ss,
	    (int)len) == -1)
		fail_soon(c, errno != 0 ? strerror(errno) : "cannot connect");
	return c;
}

/* --- draining ---------------------------------------------------------- */

static void
enough_cb(evutil_socket_t fd, short what, void *arg)
{
	bool *enough = arg;

	(void)fd;
	(void)what;
	*enough = true;
}

void
redis_conn_drain(struct redis_conn *c, int wait_ms, bool (*done)(void *ctx))
{
	struct timeval tv = { wait_ms / 1000, wait_ms % 1000 * 1000 };
	struct event_base *alone;
	struct event *timer;
	bool enough = false;

	if (!c->up || c->over || (alone = event_base_new()) == NULL)
		return;
	/* An event moves to another loop only while it is idle. */
	bufferevent_disable(c->bev, EV_READ | EV_WRITE);
	event_del(c->timer);
	timer = event_new(alone, -1, 0, enough_cb, &enough);
	if (timer != NULL && bufferevent_base_set(alone, c->bev) == 0 &&
	    event_base_set(alone, c->timer) == 0) {
		c->busy = true;
		event_add(timer, &tv);
		arm(c, 1);	/* which looks when the next answer is due */
		bufferevent_enable(c->bev, EV_READ | EV_WRITE);
		while (!c->over && !c->dead && !enough && !done(c->ctx))
			event_base_loop(alone, EVLOOP_ONCE);
		c->busy = false;
		/* Before the loop that they are on. */
		bufferevent_free(c->bev);
		c->bev = NULL;
		event_free(c->timer);
		c->timer = NULL;
	}
	c->over = true;
	if (timer != NULL)
		event_free(timer);
	event_base_free(alone);
	if (c->dead)
		conn_destroy(c);
}

/* --- replies ----------------------------------------------------------- */

/* A struct redis_reply is hiredis' redisReply under another name. */
static const redisReply *
inner(const struct redis_reply *reply)
{
	return (const redisReply *)(const void *)reply;
}

enum reply_kind
reply_kind(const struct redis_reply *reply)
{
	switch (inner(reply)->type) {
	case REDIS_REPLY_STRING:
		return REPLY_STRING;
	case REDIS_REPLY_STATUS:
		return REPLY_STATUS;
	case REDIS_REPLY_INTEGER:
		return REPLY_INTEGER;
	case REDIS_REPLY_NIL:
		return REPLY_NIL;
	case REDIS_REPLY_ARRAY:
		return REPLY_ARRAY;
	default:
		return REPLY_ERROR;
	}
}

const char *
reply_text(const struct redis_reply *reply, size_t *len)
{
	const redisReply *r = inner(reply);
	bool has_text = r->str != NULL && (r->type == REDIS_REPLY_STRING ||
	    r->type == REDIS_REPLY_STATUS || r->type == REDIS_REPLY_ERROR);

	if (len != NULL)
		*len = has_text ? (size_t)r->len : 0;
	return has_text ? r->str : "";
}

int64_t
reply_integer(const struct redis_reply *reply)
{
	const redisReply *r = inner(reply);

	return r->type == REDIS_REPLY_INTEGER ? r->integer : 0;
}

size_t
reply_count(const struct redis_reply *reply)
{
	const redisReply *r = inner(reply);

	return r->type == REDIS_REPLY_ARRAY ? (size_t)r->elements : 0;
}

const struct redis_reply *
reply_at(const struct redis_reply *reply, size_t i)
{
	return (const struct redis_reply *)(const void *)
	    inner(reply)->element[i];
}
