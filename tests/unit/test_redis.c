/*
 * test_redis.c - the Redis store against a server that does as it is told
 *
 * The server runs in the same loop on a socket of its own.  It knows as
 * much of Redis as the store uses, and a rule can put any bytes, or none,
 * in the place of an answer.  The store's own waits are set to milliseconds.
 */
#include "unit.h"

#include <sys/socket.h>

#include <netinet/in.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/listener.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "core/policy.h"
#include "store/redis_parts.h"

#define PREFIX		"mb:"
#define OVERRIDE	PREFIX "override:"
#define PASSWORD	"geheim-9d1c"
#define DEADLINE_MS	20000
#define PEERS_MAX	64
#define ITEMS_MAX	256
#define ARGS_MAX	64
#define BIG		(2 * 1024 * 1024)

/* Long enough for a busy machine; a test that waits for silence is less
 * patient. */
static const struct redis_pace PACE = {
	.connect = 2000,
	.answer = 2000,
	.heartbeat = 10,
	.full_read = 10000,
	.full_gap = 5,
	.poll = 5,
	.full_read_max = 5000,
	.retry_min = 1,
	.retry_max = 5,
	.tracking_again = 10,
	.steady = 10000,
	.node = 10,
};

static struct redis_pace pace;
static struct event_base *base;

/* --- the log ----------------------------------------------------------- */

static char	log_text[65536];

static void	keep(const char *, va_list) LOG_FMT(1, 0);

static void
keep(const char *fmt, va_list ap)
{
	size_t at = strlen(log_text);

	vsnprintf(log_text + at, sizeof(log_text) - at, fmt, ap);
	strncat(log_text, "\n", sizeof(log_text) - strlen(log_text) - 1);
}

#define LOGGER(name) \
void \
name(const char *fmt, ...) \
{ \
	va_list ap; \
\
	va_start(ap, fmt); \
	keep(fmt, ap); \
	va_end(ap); \
}

LOGGER(log_info)
LOGGER(log_warn)
LOGGER(log_warnx)

void
log_init(const char *ident, bool foreground, bool verbose)
{
	(void)ident;
	(void)foreground;
	(void)verbose;
}

void
log_debug(const char *fmt, ...)
{
	(void)fmt;
}

void
fatal(const char *fmt, ...)
{
	(void)fmt;
	abort();
}

void
fatalx(const char *fmt, ...)
{
	(void)fmt;
	abort();
}

static size_t
times_in(const char *text, const char *words)
{
	size_t n = 0;

	for (; (text = strstr(text, words)) != NULL; text += strlen(words))
		n++;
	return n;
}

/* --- the server -------------------------------------------------------- */

/* A string (no field), a field of a hash or a member of a set. */
struct item {
	char	*key, *field, *value;
	int64_t	 ttl_ms;		/* -1: none */
};

struct peer {
	struct bufferevent	*bev;
	bool			 tracking, subscribed, multi, mute;
	struct evbuffer		*queue;	/* answers to EXEC */
	int			 queued;
};

/* What to do instead of answering. */
struct rule {
	const char	*command;	/* "PTTL", "CLIENT ID"; NULL: none */
	const char	*raw;		/* sent as it is; NULL: silence, also
					 * after it */
	size_t		 len;		/* of raw; 0: it is a string */
	bool		 hang_up;	/* afterwards */
	int		 times;		/* left; -1: for ever */
	int		 used;
};

static struct {
	struct evconnlistener	*listener;
	struct endpoint		 at;
	struct peer		*peers[PEERS_MAX];
	int			 accepted;
	struct item		 items[ITEMS_MAX];
	size_t			 item_count;
	struct rule		 rules[4];
	char			 seen[65536];	/* "SET mb:a b\n" */
	int			 events;
	const char		*greeting;	/* instead of any answer */
	const char		*run_id;	/* NULL: "one" */
	const char		*quicker;	/* what mx1 is set to just before
						 * it is written; or NULL */
	int			 evicted;
} server;

static struct item *
item_find(const char *key, const char *field)
{
	size_t i;

	for (i = 0; i < server.item_count; i++) {
		if (strcmp(server.items[i].key, key) == 0 &&
		    strcmp(server.items[i].field, field) == 0)
			return &server.items[i];
	}
	return NULL;
}

static bool
key_exists(const char *key)
{
	size_t i;

	for (i = 0; i < server.item_count; i++) {
		if (strcmp(server.items[i].key, key) == 0)
			return true;
	}
	return false;
}

/* True if it is new. */
static bool
item_set(const char *key, const char *field, const char *value,
    int64_t ttl_ms)
{
	struct item *it = item_find(key, field);
	bool added = it == NULL;

	if (added) {
		assert_true(server.item_count < ITEMS_MAX);
		it = &server.items[server.item_count++];
		it->key = xstrdup(key);
		it->field = xstrdup(field);
	} else {
		free(it->value);
	}
	it->value = xstrdup(value);
	it->ttl_ms = ttl_ms;
	return added;
}

/* field NULL: the whole key. */
static int
item_remove(const char *key, const char *field)
{
	int removed = 0;
	size_t i = 0;

	while (i < server.item_count) {
		struct item *it = &server.items[i];

		if (strcmp(it->key, key) != 0 ||
		    (field != NULL && strcmp(it->field, field) != 0)) {
			i++;
			continue;
		}
		free(it->key);
		free(it->field);
		free(it->value);
		*it = server.items[--server.item_count];
		removed = 1;
	}
	return removed;
}

static void
forget_items(void)
{
	struct item *it;

	while (server.item_count > 0) {
		it = &server.items[--server.item_count];
		free(it->key);
		free(it->field);
		free(it->value);
	}
}

static const char *
value_of(const char *key, const char *field)
{
	const struct item *it = item_find(key, field);

	return it != NULL ? it->value : "(none)";
}

static void
put_bulk(struct evbuffer *out, const char *s, size_t len)
{
	evbuffer_add_printf(out, "$%zu\r\n", len);
	evbuffer_add(out, s, len);
	evbuffer_add(out, "\r\n", 2);
}

static void
put_string(struct evbuffer *out, const char *s)
{
	put_bulk(out, s, strlen(s));
}

/* One message to all that listen; payload is protocol. */
static void
publish(const char *payload)
{
	size_t i;

	for (i = 0; i < PEERS_MAX; i++) {
		struct peer *p = server.peers[i];

		if (p == NULL || !p->subscribed || !p->tracking)
			continue;
		evbuffer_add_printf(bufferevent_get_output(p->bev), "*3\r\n"
		    "$7\r\nmessage\r\n$20\r\n__redis__:invalidate\r\n%s",
		    payload);
	}
}

static void
notice(const char *key)
{
	char payload[1024];

	snprintf(payload, sizeof(payload), "*1\r\n$%zu\r\n%s\r\n",
	    strlen(key), key);
	publish(payload);
}

/* What redis-cli would do. */
static void
cli_set(const char *target, const char *value, int64_t ttl_ms)
{
	char key[512];

	snprintf(key, sizeof(key), OVERRIDE "%s", target);
	item_set(key, "", value, ttl_ms);
	notice(key);
}

static void
cli_del(const char *target)
{
	char key[512];

	snprintf(key, sizeof(key), OVERRIDE "%s", target);
	item_remove(key, NULL);
	notice(key);
}

static void
answer_read(struct evbuffer *out, int argc, char **argv)
{
	const struct item *it = item_find(argv[1], "");
	struct evbuffer *keys;
	size_t i, count = 0, prefix;
	char pattern[256];

	if (strcmp(argv[0], "PTTL") == 0) {
		evbuffer_add_printf(out, ":%lld\r\n", it != NULL ?
		    (long long)it->ttl_ms : key_exists(argv[1]) ? -1LL : -2LL);
	} else if (strcmp(argv[0], "GETRANGE") == 0) {
		assert_int_equal(argc, 4);
		if (it == NULL && key_exists(argv[1]))
			evbuffer_add_printf(out, "-WRONGTYPE Operation\r\n");
		else if (it == NULL)
			put_string(out, "");
		else
			put_bulk(out, it->value, strlen(it->value) > 4097 ?
			    4097 : strlen(it->value));
	} else if (strcmp(argv[0], "GET") == 0) {
		if (it == NULL)
			evbuffer_add_printf(out, "$-1\r\n");
		else
			put_string(out, it->value);
	} else {
		/* SCAN cursor MATCH prefix* COUNT n: all in one answer. */
		text_copy(pattern, sizeof(pattern), argv[3]);
		prefix = strlen(pattern) - 1;
		keys = evbuffer_new();
		for (i = 0; i < server.item_count; i++) {
			if (strncmp(server.items[i].key, pattern, prefix))
				continue;
			put_string(keys, server.items[i].key);
			count++;
		}
		evbuffer_add_printf(out, "*2\r\n$1\r\n0\r\n*%zu\r\n", count);
		evbuffer_add_buffer(out, keys);
		evbuffer_free(keys);
	}
}

static void
answer_write(struct evbuffer *out, int argc, char **argv)
{
	int i, n = 0;

	if (strcmp(argv[0], "SET") == 0) {
		if (server.quicker != NULL &&
		    strcmp(argv[1], OVERRIDE "mx1") == 0) {
			item_set(argv[1], "", server.quicker, -1);
			server.quicker = NULL;
		}
		if (strcmp(argv[argc - 1], "NX") == 0 &&
		    item_find(argv[1], "") != NULL) {
			evbuffer_add_printf(out, "$-1\r\n");
			return;
		}
		item_remove(argv[1], NULL);
		item_set(argv[1], "", argv[2], argc >= 5 ? atoll(argv[4]) :
		    -1);
		notice(argv[1]);
		evbuffer_add_printf(out, "+OK\r\n");
		return;
	} else if (strcmp(argv[0], "XADD") == 0) {
		server.events++;
		put_string(out, "1-1");
		return;
	} else if (strcmp(argv[0], "DEL") == 0) {
		n = item_remove(argv[1], NULL);
		notice(argv[1]);
	} else if (strcmp(argv[0], "EXPIRE") == 0) {
		n = 1;
	}
	for (i = 2; i < argc; i += 2) {
		if (strcmp(argv[0], "HSET") == 0)
			n += item_set(argv[1], argv[i], argv[i + 1], -1);
		else if (strcmp(argv[0], "ZADD") == 0)
			n += item_set(argv[1], argv[i + 1], argv[i], -1);
	}
	for (i = 2; i < argc; i++) {
		if (strcmp(argv[0], "HDEL") == 0 ||
		    strcmp(argv[0], "ZREM") == 0)
			n += item_remove(argv[1], argv[i]);
	}
	evbuffer_add_printf(out, ":%d\r\n", n);
}

static void
answer_peer(struct peer *p, struct evbuffer *out, int argc, char **argv)
{
	const char *name = argv[0], *sub = argc > 1 ? argv[1] : "";
	char info[256];

	if (strcmp(name, "PING") == 0) {
		evbuffer_add_printf(out, "+PONG\r\n");
	} else if (strcmp(name, "ROLE") == 0) {
		evbuffer_add_printf(out, "*3\r\n$6\r\nmaster\r\n:0\r\n*0\r\n");
	} else if (strcmp(name, "INFO") == 0) {
		snprintf(info, sizeof(info), "# Server\r\nrun_id:%s\r\n"
		    "# Cluster\r\ncluster_enabled:0\r\n# Stats\r\n"
		    "evicted_keys:%d\r\n", server.run_id != NULL ?
		    server.run_id : "one", server.evicted);
		put_string(out, info);
	} else if (strcmp(name, "CLIENT") == 0 && strcmp(sub, "ID") == 0) {
		evbuffer_add_printf(out, ":7\r\n");
	} else if (strcmp(name, "SUBSCRIBE") == 0) {
		p->subscribed = true;
		evbuffer_add_printf(out, "*3\r\n$9\r\nsubscribe\r\n");
		put_string(out, argv[1]);
		evbuffer_add_printf(out, ":1\r\n");
	} else {
		if (strcmp(sub, "TRACKING") == 0) {
			assert_string_equal(argv[3], "REDIRECT");
			assert_string_equal(argv[4], "7");
			assert_string_equal(argv[7], OVERRIDE);
			p->tracking = true;
		}
		evbuffer_add_printf(out, "+OK\r\n");
	}
}

static bool
is_one_of(const char *word, const char *const *words)
{
	for (; *words != NULL; words++) {
		if (strcmp(word, *words) == 0)
			return true;
	}
	return false;
}

static void
answer(struct peer *p, struct evbuffer *out, int argc, char **argv)
{
	static const char *const reads[] = { "PTTL", "GETRANGE", "SCAN",
	    "GET", NULL };
	static const char *const writes[] = { "SET", "DEL", "HSET", "HDEL",
	    "ZADD", "ZREM", "EXPIRE", "XADD", NULL };

	if (is_one_of(argv[0], reads))
		answer_read(out, argc, argv);
	else if (is_one_of(argv[0], writes))
		answer_write(out, argc, argv);
	else
		answer_peer(p, out, argc, argv);
}

static void
peer_close(struct peer *p)
{
	size_t i;

	for (i = 0; i < PEERS_MAX; i++) {
		if (server.peers[i] == p)
			server.peers[i] = NULL;
	}
	bufferevent_free(p->bev);
	evbuffer_free(p->queue);
	free(p);
}

static void
say_and_close(struct peer *p, const char *text, size_t len)
{
	assert_int_equal(send(bufferevent_getfd(p->bev), text, len, 0),
	    (ssize_t)len);
	peer_close(p);
}

static void
hang_up_all(void)
{
	size_t i;

	for (i = 0; i < PEERS_MAX; i++) {
		if (server.peers[i] != NULL)
			peer_close(server.peers[i]);
	}
}

static struct rule *
rule_for(int argc, char **argv)
{
	char both[64];
	size_t i;

	snprintf(both, sizeof(both), "%s %s", argv[0],
	    argc > 1 ? argv[1] : "");
	for (i = 0; i < COUNT(server.rules); i++) {
		struct rule *r = &server.rules[i];

		if (r->command != NULL && r->times != 0 &&
		    (strcmp(r->command, argv[0]) == 0 ||
		    strcmp(r->command, both) == 0))
			return r;
	}
	return NULL;
}

/* False if the peer is gone. */
static bool
command(struct peer *p, int argc, char **argv)
{
	struct evbuffer *out = bufferevent_get_output(p->bev);
	struct rule *r = rule_for(argc, argv);
	size_t at = strlen(server.seen);
	int i;

	for (i = 0; i < argc && at < sizeof(server.seen) - 512; i++)
		at += (size_t)snprintf(server.seen + at, 256, "%.200s%s",
		    argv[i], i + 1 < argc ? " " : "\n");
	if (p->mute)
		return true;
	if (r != NULL) {
		r->used++;
		if (r->times > 0)
			r->times--;
		p->mute = r->raw == NULL;
		if (strcmp(argv[0], "EXEC") == 0) {
			p->multi = false;
			evbuffer_drain(p->queue,
			    evbuffer_get_length(p->queue));
		}
		if (r->hang_up) {
			say_and_close(p, r->raw, strlen(r->raw));
			return false;
		}
		if (!p->mute)
			evbuffer_add(out, r->raw, r->len != 0 ? r->len :
			    strlen(r->raw));
		return true;
	}
	if (strcmp(argv[0], "MULTI") == 0) {
		p->multi = true;
		p->queued = 0;
		evbuffer_add_printf(out, "+OK\r\n");
	} else if (strcmp(argv[0], "EXEC") == 0) {
		p->multi = false;
		evbuffer_add_printf(out, "*%d\r\n", p->queued);
		evbuffer_add_buffer(out, p->queue);
	} else if (p->multi) {
		p->queued++;
		answer(p, p->queue, argc, argv);
		evbuffer_add_printf(out, "+QUEUED\r\n");
	} else {
		answer(p, out, argc, argv);
	}
	return true;
}

/* Takes one request off the buffer: its arguments, or 0 for later. */
static int
request(struct evbuffer *in, char **argv)
{
	size_t len = evbuffer_get_length(in), used = 0, eol, i, count, size;
	char *text = (char *)evbuffer_pullup(in, -1), *p = text, *end;

	if (len == 0 || (end = memchr(p, '\n', len)) == NULL)
		return 0;
	count = strtoul(p + 1, NULL, 10);
	assert_true(*p == '*' && count > 0 && count <= ARGS_MAX);
	used = (size_t)(end + 1 - text);
	for (i = 0; i < count; i++) {
		p = text + used;
		if ((end = memchr(p, '\n', len - used)) == NULL)
			break;
		size = strtoul(p + 1, NULL, 10);
		eol = (size_t)(end + 1 - text);
		if (len < eol + size + 2)
			break;
		argv[i] = xcalloc(size + 1, 1);
		memcpy(argv[i], text + eol, size);
		used = eol + size + 2;
	}
	if (i == count) {
		evbuffer_drain(in, used);
		return (int)count;
	}
	while (i-- > 0)
		free(argv[i]);
	return 0;
}

static void
server_read_cb(struct bufferevent *bev, void *arg)
{
	struct peer *p = arg;
	char *argv[ARGS_MAX];
	bool alive = true;
	int argc, i;

	while (alive &&
	    (argc = request(bufferevent_get_input(bev), argv)) > 0) {
		alive = command(p, argc, argv);
		for (i = 0; i < argc; i++)
			free(argv[i]);
	}
}

static void
server_event_cb(struct bufferevent *bev, short what, void *arg)
{
	(void)bev;
	if (what & (BEV_EVENT_EOF | BEV_EVENT_ERROR))
		peer_close(arg);
}

static void
accept_cb(struct evconnlistener *listener, evutil_socket_t fd,
    struct sockaddr *sa, int len, void *arg)
{
	struct peer *p = xcalloc(1, sizeof(*p));
	size_t i;

	(void)listener;
	(void)sa;
	(void)len;
	(void)arg;
	for (i = 0; server.peers[i] != NULL; i++)
		assert_true(i + 1 < PEERS_MAX);
	server.peers[i] = p;
	server.accepted++;
	p->queue = evbuffer_new();
	p->bev = bufferevent_socket_new(base, fd, BEV_OPT_CLOSE_ON_FREE);
	bufferevent_setcb(p->bev, server_read_cb, NULL, server_event_cb, p);
	bufferevent_enable(p->bev, EV_READ | EV_WRITE);
	if (server.greeting != NULL)
		say_and_close(p, server.greeting, strlen(server.greeting));
}

static void
server_open(void)
{
	struct sockaddr_in in = { .sin_family = AF_INET,
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	    .sin_port = htons(server.at.port) };
	socklen_t len = sizeof(in);

	server.listener = evconnlistener_new_bind(base, accept_cb, NULL,
	    LEV_OPT_CLOSE_ON_FREE | LEV_OPT_REUSEABLE, 16,
	    (struct sockaddr *)&in, sizeof(in));
	assert_non_null(server.listener);
	assert_int_equal(getsockname(evconnlistener_get_fd(server.listener),
	    (struct sockaddr *)&in, &len), 0);
	server.at = (struct endpoint){ .kind = ENDPOINT_INET,
	    .addr = addr_from_ipv4(INADDR_LOOPBACK),
	    .port = ntohs(in.sin_port) };
}

static void
server_shut(void)
{
	evconnlistener_free(server.listener);
	server.listener = NULL;
	hang_up_all();
}

static void
rule(size_t i, const char *name, const char *raw, int times)
{
	server.rules[i] = (struct rule){ .command = name, .raw = raw,
	    .times = times };
}

/* --- the owner --------------------------------------------------------- */

static struct redis	*store;
static struct policy	*policy;
static struct board	*board;
static char		 told[65536];	/* "mx1 stop reason\n" */
static int64_t		 told_until_ms;
static char		 told_bad[8192];
static char		 told_status[16384];
static char		 told_kept[4096];
static int		 came, went, memories;
static bool		 put_in_callback;

static void	append(char *, size_t, const char *, ...) LOG_FMT(3, 4);

static void
append(char *buf, size_t size, const char *fmt, ...)
{
	size_t at = strlen(buf);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(buf + at, size - at, fmt, ap);
	va_end(ap);
}

static void
override_cb(void *ctx, const struct override *o)
{
	struct override back = { .target = "answer", .word = WORD_STOP,
	    .source = "control" };

	(void)ctx;
	assert_true(strcmp(o->source, "redis") == 0 ||
	    strcmp(o->source, "kept") == 0);
	append(told, sizeof(told), "%s %s%s%s\n", o->target,
	    word_name(o->word), o->reason[0] != '\0' ? " " : "", o->reason);
	told_until_ms = o->until_ms;
	if (put_in_callback) {
		put_in_callback = false;
		redis_put_override(store, &back, clock_wall_ms());
	}
}

static void
bad_cb(void *ctx, const char *target, const char *value)
{
	(void)ctx;
	append(told_bad, sizeof(told_bad), "%s=%s\n", target, value);
}

static void
status_cb(void *ctx, enum redis_status status, const char *why)
{
	(void)ctx;
	append(told_status, sizeof(told_status), "%s\n", why);
	if (status == REDIS_CONNECTED)
		came++;
	else
		went++;
}

static void
kept_cb(void *ctx, const char *text)
{
	(void)ctx;
	append(told_kept, sizeof(told_kept), "%s\n", text);
}

static void
memory_cb(void *ctx)
{
	(void)ctx;
	memories++;
}

static void
deadline_cb(evutil_socket_t fd, short what, void *arg)
{
	bool *late = arg;

	(void)fd;
	(void)what;
	*late = true;
}

/* Lets the loop run until something is so. */
#define until(condition) do { \
	struct timeval tv_ = { DEADLINE_MS / 1000, 0 }; \
	bool late_ = false; \
	struct event *deadline_ = event_new(base, -1, 0, deadline_cb, \
	    &late_); \
\
	event_add(deadline_, &tv_); \
	while (!(condition) && !late_) \
		event_base_loop(base, EVLOOP_ONCE); \
	event_free(deadline_); \
	if (late_) \
		fail_msg("never: %s\nlog: %s\ntold: %s\nbad: %s\nseen: %s", \
		    #condition, log_text, told, told_bad, server.seen + \
		    (strlen(server.seen) > 2000 ? \
		    strlen(server.seen) - 2000 : 0)); \
} while (0)

/* Lets it run for so many heartbeats of the server's peers. */
static void
beats(int n)
{
	size_t had = times_in(server.seen, "PING");

	until(times_in(server.seen, "PING") >= had + (size_t)n);
}

static void
store_new_with(const char *password)
{
	struct redis_conf conf = { .server = server.at,
	    .prefix = (char *)(uintptr_t)PREFIX,
	    .password = (char *)(uintptr_t)password };
	struct redis_callbacks cbs = { .override = override_cb,
	    .bad_override = bad_cb, .status = status_cb, .kept = kept_cb,
	    .memory = memory_cb };

	store = redis_new(base, &conf, "host1", "0.1", &cbs, NULL);
	redis_set_pace(store, &pace);
}

static void
store_new(void)
{
	store_new_with(NULL);
}

static void
connected(void)
{
	int had = came;

	if (store == NULL)
		store_new();
	until(came > had);
}

static enum redis_status
state(const char **why)
{
	const char *way;

	return redis_state(store, why, &way);
}

static const char *
way(void)
{
	const char *why, *name;

	redis_state(store, &why, &name);
	return name;
}

static void
put(const char *target, enum word word, int64_t until_ms, const char *reason)
{
	struct override o = { .word = word, .until_ms = until_ms,
	    .source = "control" };

	text_copy(o.target, sizeof(o.target), target);
	text_copy(o.reason, sizeof(o.reason), reason);
	redis_put_override(store, &o, clock_wall_ms());
}

static void	finish(void);

static void
begin(void)
{
	/* What a failed test left behind. */
	if (base != NULL)
		finish();
	pace = PACE;
	base = event_base_new();
	assert_non_null(base);
	server_open();
}

static void
finish(void)
{
	size_t i;

	redis_free(store);
	store = NULL;
	board_free(board);
	board = NULL;
	policy_unref(policy);
	policy = NULL;
	if (server.listener != NULL)
		server_shut();
	hang_up_all();
	forget_items();
	for (i = 0; i < COUNT(server.rules); i++)
		server.rules[i] = (struct rule){ 0 };
	event_base_free(base);
	base = NULL;
	memset(&server, 0, sizeof(server));
	log_text[0] = told[0] = told_bad[0] = told_status[0] =
	    told_kept[0] = '\0';
	came = went = 0;
}

/* --- values ------------------------------------------------------------ */

static const struct value_row {
	const char	*claim;
	const char	*value;
	size_t		 len;		/* 0: a string */
	enum word	 word;		/* WORD_NONE: refused */
	const char	*reason;
} value_rows[] = {
	{ "stop alone", "stop", 0, WORD_STOP, "" },
	{ "send alone", "send", 0, WORD_SEND, "" },
	{ "a reason follows a space", "stop two spam runs", 0, WORD_STOP,
	    "two spam runs" },
	{ "a space without a reason", "send ", 0, WORD_SEND, "" },
	{ "a reason is cleaned", "stop a\x1b[2Jb\nc", 0, WORD_STOP,
	    "a?[2Jb c" },
	{ "a NUL in a reason does not cut it", "stop a\0b", 8, WORD_STOP,
	    "a?b" },
	{ "nothing is no word", "", 0, WORD_NONE, NULL },
	{ "another word", "block", 0, WORD_NONE, NULL },
	{ "the first letters of a word", "sto", 0, WORD_NONE, NULL },
	{ "more than the word", "stopped", 0, WORD_NONE, NULL },
	{ "case matters", "STOP", 0, WORD_NONE, NULL },
	{ "a space before", " stop", 0, WORD_NONE, NULL },
	{ "a tab is no space", "stop\tx", 0, WORD_NONE, NULL },
	{ "a line end is no space", "stop\n", 0, WORD_NONE, NULL },
	{ "a NUL after the word", "stop", 5, WORD_NONE, NULL },
};

static void
test_value(void **v)
{
	const struct value_row *row = *v;
	size_t len = row->len != 0 ? row->len : strlen(row->value);
	struct override o = { .word = WORD_NONE, .reason = "untouched" };
	const char *wrong = override_parse(row->value, len, &o);

	assert_int_equal(wrong == NULL, row->word != WORD_NONE);
	assert_int_equal(o.word, row->word);
	assert_string_equal(o.reason, row->reason != NULL ? row->reason :
	    "untouched");
}

static void
test_long_values(void **v)
{
	char *value = xcalloc(1, 5000);
	struct override o;

	(void)v;
	memset(value, 'x', 4999);
	memcpy(value, "stop ", 5);
	assert_null(override_parse(value, 4096, &o));
	assert_int_equal(strlen(o.reason), BOARD_REASON_MAX - 1);
	assert_non_null(override_parse(value, 4097, &o));
	free(value);
}

/* --- overrides from Redis ---------------------------------------------- */

static void
test_tracking(void **v)
{
	const char *why;
	int64_t now;

	(void)v;
	begin();
	cli_set("mx1", "stop before we came", 100000);
	item_set("mb:other", "", "x", -1);
	connected();
	now = clock_wall_ms();
	assert_string_equal(told, "mx1 stop before we came\n");
	assert_true(told_until_ms > now + 95000 &&
	    told_until_ms <= now + 100000);
	assert_int_equal(state(&why), REDIS_CONNECTED);
	assert_string_equal(way(), "tracking");

	cli_set("mx2", "send", -1);
	until(strstr(told, "mx2 send\n"));
	assert_int_equal(told_until_ms, 0);
	cli_set("mx2", "stop now", -1);
	until(strstr(told, "mx2 stop now\n"));
	cli_del("mx2");
	until(strstr(told, "mx2 auto\n"));
	/* What we never knew is no news when it goes. */
	cli_del("mx3");
	cli_set("mx1", "stop before we came", 99900);
	beats(3);
	assert_int_equal(times_in(told, "\n"), 4);
	cli_set("mx1", "stop before we came", 500000);
	until(times_in(told, "mx1 stop before we came\n") == 2);
	cli_set("mx1", "stop before we came", -1);
	until(times_in(told, "mx1 stop before we came\n") == 3);
	assert_int_equal(told_until_ms, 0);
	finish();
}

static void
test_end(void **v)
{
	(void)v;
	begin();
	connected();
	/* The server announces nothing; the key is gone when it is due. */
	cli_set("mx1", "stop", 30);
	until(strstr(told, "mx1 stop\n"));
	item_remove(OVERRIDE "mx1", NULL);
	until(strstr(told, "mx1 auto\n"));
	finish();
}

static void
test_bad(void **v)
{
	char name[BOARD_NAME_MAX + 1], *big;

	(void)v;
	begin();
	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	connected();
	cli_set("mx1", "stop", -1);
	until(strstr(told, "mx1 stop\n"));
	cli_set("mx1", "halt\n", -1);
	until(strstr(told_bad, "mx1=halt\n"));
	/* Once for each value; the override stands. */
	cli_set("mx1", "halt\n", -1);
	beats(2);
	assert_int_equal(times_in(told_bad, "\n"), 1);
	assert_int_equal(times_in(told, "\n"), 1);
	cli_set("mx1", "", -1);
	until(strstr(told_bad, "mx1=\n"));
	item_remove(OVERRIDE "mx1", NULL);
	item_set(OVERRIDE "mx1", "field", "value", -1);
	notice(OVERRIDE "mx1");
	until(strstr(told_bad, "mx1=(not a string)\n"));
	big = xcalloc(1, BIG);
	memset(big, 'x', BIG - 1);
	memcpy(big, "stop ", 5);
	item_remove(OVERRIDE "mx1", NULL);
	cli_set("mx1", big, -1);
	free(big);
	until(strstr(told_bad, "mx1=(longer than 4096 bytes)\n"));
	cli_set(name, "stop", -1);
	until(strstr(told_bad, "...=(the target is too long)\n"));
	cli_set("", "stop", -1);
	until(strstr(told_bad, "=(no target)\n"));
	cli_set("a\nb", "stop", -1);
	until(strstr(told_bad, "a b=(the target has control"));
	assert_int_equal(times_in(told, "\n"), 1);
	/* Mended, it is told even if it is as before. */
	cli_set("mx1", "stop", -1);
	until(times_in(told, "mx1 stop\n") == 2);
	cli_set("mx1", "halt", -1);
	cli_del("mx1");
	until(strstr(told, "mx1 auto\n"));
	assert_int_equal(went, 0);
	finish();
}

static void
test_one_target_two_keys(void **v)
{
	(void)v;
	begin();
	cli_set("2001:db8::7", "stop", -1);
	cli_set("2001:DB8:0::7", "stop", -1);
	cli_set("mx1", "send", -1);
	connected();
	assert_int_equal(times_in(told, "2001:"), 1);
	assert_int_equal(times_in(told, "\n"), 2);
	cli_del("2001:DB8:0::7");
	beats(3);
	assert_int_equal(times_in(told, "\n"), 2);
	cli_del("2001:db8::7");
	until(strstr(told, "2001:db8::7 auto\n"));
	/* Whichever was written last, the stop is in force. */
	cli_set("MX1", "stop", -1);
	until(strstr(told, "MX1 stop\n"));
	cli_set("mx1", "send again", -1);
	beats(3);
	assert_int_equal(times_in(told, "\n"), 4);
	cli_del("MX1");
	until(strstr(told, "mx1 send again\n"));
	assert_int_equal(times_in(told, "\n"), 5);
	/* One word of ours stands for all spellings. */
	cli_set("MX1", "stop", -1);
	until(times_in(told, "MX1 stop\n") == 2);
	put("Mx1", WORD_NONE, 0, "");
	until(!key_exists(OVERRIDE "MX1") && !key_exists(OVERRIDE "mx1"));
	beats(3);
	assert_int_equal(times_in(told, "\n"), 6);
	finish();
}

static void
test_strange_notices(void **v)
{
	(void)v;
	begin();
	connected();
	/* A flush, a text of anybody, numbers, a key that is not ours. */
	item_set(OVERRIDE "a", "", "stop", -1);
	publish("$-1\r\n");
	until(strstr(told, "a stop\n"));
	item_set(OVERRIDE "b", "", "stop", -1);
	publish("$5\r\nhello\r\n");
	until(strstr(told, "b stop\n"));
	publish("*3\r\n:1\r\n$-1\r\n*0\r\n");
	publish("*1\r\n$5\r\nother\r\n");
	publish(":1\r\n");
	item_set(OVERRIDE "c", "", "stop", -1);
	publish("*-1\r\n");
	until(strstr(told, "c stop\n"));
	assert_int_equal(went, 0);
	finish();
}

static void
test_polling(void **v)
{
	const char *why;

	(void)v;
	begin();
	rule(0, "CLIENT TRACKING", "-ERR unknown subcommand\r\n", -1);
	cli_set("mx1", "stop", -1);
	connected();
	assert_string_equal(told, "mx1 stop\n");
	assert_string_equal(way(), "polling");
	assert_int_equal(state(&why), REDIS_CONNECTED);
	unit_says(why, "tracking is refused: ERR unknown subcommand");
	cli_set("mx1", "send", -1);
	until(strstr(told, "mx1 send\n"));
	cli_del("mx1");
	until(strstr(told, "mx1 auto\n"));
	/* It is asked for again, and said once. */
	until(server.rules[0].used >= 3);
	assert_int_equal(times_in(log_text, "tracking is refused"), 1);
	server.rules[0].times = 0;
	until(strcmp(way(), "tracking") == 0 && came == 2);
	finish();
}

static const struct refusal_row {
	const char	*claim;
	const char	*command;
	const char	*raw;
} refusal_rows[] = {
	{ "no CLIENT ID: polled", "CLIENT ID", "-ERR unknown\r\n" },
	{ "an odd CLIENT ID: polled", "CLIENT ID", "+seven\r\n" },
	{ "no permission for the channel: polled", "SUBSCRIBE",
	    "-NOPERM no channel\r\n" },
	{ "an odd answer to SUBSCRIBE: polled", "SUBSCRIBE", "*0\r\n" },
};

static void
test_tracking_refused(void **v)
{
	const struct refusal_row *row = *v;

	begin();
	rule(0, row->command, row->raw, -1);
	connected();
	assert_string_equal(way(), "polling");
	cli_set("mx1", "stop", -1);
	until(strstr(told, "mx1 stop\n"));
	finish();
}

static void
test_notices_lost(void **v)
{
	size_t i;

	(void)v;
	begin();
	connected();
	for (i = 0; i < PEERS_MAX; i++) {
		if (server.peers[i] != NULL && server.peers[i]->subscribed)
			peer_close(server.peers[i]);
	}
	/* Polled until it is there again; nothing was lost. */
	item_set(OVERRIDE "mx1", "", "stop", -1);
	until(strstr(told, "mx1 stop\n"));
	until(strcmp(way(), "tracking") == 0);
	assert_int_equal(went, 0);
	cli_set("mx1", "send", -1);
	until(strstr(told, "mx1 send\n"));
	finish();
}

static void
test_torn_reading(void **v)
{
	(void)v;
	begin();
	connected();
	/* The key was made between the first PTTL and the value: the two
	 * ends do not agree, and it is read again. */
	rule(0, "PTTL", ":-2\r\n", 1);
	cli_set("mx1", "stop", 100000);
	until(strstr(told, "mx1 stop\n"));
	assert_int_equal(times_in(told, "\n"), 1);
	assert_int_equal(times_in(server.seen, "GETRANGE"), 2);
	finish();
}

static void
test_many(void **v)
{
	char name[32];
	int i;

	(void)v;
	begin();
	for (i = 0; i < 200; i++) {
		snprintf(name, sizeof(name), "account:a%d", i);
		cli_set(name, "stop", -1);
	}
	connected();
	assert_int_equal(times_in(told, " stop\n"), 200);
	for (i = 0; i < 200; i++) {
		snprintf(name, sizeof(name), OVERRIDE "account:a%d", i);
		item_remove(name, NULL);
	}
	/* As a script that removes them is seen. */
	publish("$4\r\nlook\r\n");
	until(times_in(told, " auto\n") == 200);
	finish();
}

static void
expect(const char *target, enum word word)
{
	struct override o = { .word = word, .source = "redis" };

	text_copy(o.target, sizeof(o.target), target);
	redis_expect_override(store, &o);
}

/* What an earlier daemon, connected to this server, would remember. */
static char *
memory_of_now(void)
{
	char *memory;

	connected();
	memory = redis_memory(store);
	redis_free(store);
	store = NULL;
	told[0] = '\0';
	return memory;
}

static bool
remembers(const char *words)
{
	char *memory = redis_memory(store);
	bool yes = strstr(memory, words) != NULL;

	free(memory);
	return yes;
}

static void
test_expected(void **v)
{
	char *memory;

	(void)v;
	begin();
	memory = memory_of_now();
	unit_says(memory, "life one/ ");
	store_new();
	redis_remember(store, memory);
	free(memory);
	cli_set("here", "stop", -1);
	expect("here", WORD_STOP);
	expect("gone", WORD_STOP);
	connected();
	assert_string_equal(told, "gone auto\n");
	finish();
}

/* --- data that are lost ------------------------------------------------ */

static void
three_words(void)
{
	cli_set("mx1", "stop by ann", -1);
	cli_set("mx2", "send", 60000);
	cli_set("mx3", "send", -1);
	connected();
	assert_int_equal(times_in(told, "\n"), 3);
	cli_del("mx3");
	until(strstr(told, "mx3 auto\n"));
}

static void
all_back(void)
{
	const struct item *it;

	until(strcmp(value_of(OVERRIDE "mx1", ""), "stop by ann") == 0 &&
	    key_exists(OVERRIDE "mx2"));
	it = item_find(OVERRIDE "mx2", "");
	assert_string_equal(it->value, "send");
	assert_in_range(it->ttl_ms, 50000, 60000);
	assert_false(key_exists(OVERRIDE "mx3"));
	assert_null(strstr(told, "mx1 auto"));
	assert_null(strstr(told, "mx2 auto"));
	unit_says(told_kept, ": 2 overrides that it had lost stay in force "
	    "and are written back");
}

static void
test_flushed(void **v)
{
	char mark[64];

	(void)v;
	begin();
	three_words();
	text_copy(mark, sizeof(mark), value_of(PREFIX "life", ""));
	forget_items();
	publish("$-1\r\n");
	all_back();
	unit_says(told_kept, "its data were flushed, lost or replaced");
	assert_true(key_exists(PREFIX "life"));
	assert_string_not_equal(value_of(PREFIX "life", ""), mark);
	/* In the new data a removal is one. */
	until(strstr(told, "mx1 stop by ann\n") && memories > 0);
	beats(3);
	cli_del("mx1");
	until(strstr(told, "mx1 auto\n"));
	assert_int_equal(times_in(told_kept, "\n"), 1);
	finish();
}

static void
test_flushed_while_polling(void **v)
{
	(void)v;
	begin();
	rule(0, "CLIENT TRACKING", "-ERR unknown command\r\n", -1);
	three_words();
	forget_items();
	all_back();
	finish();
}

/* Somebody else of the fleet was quicker with the mark and a word. */
static void
test_flushed_and_mended(void **v)
{
	(void)v;
	begin();
	three_words();
	forget_items();
	item_set(PREFIX "life", "", "another", -1);
	item_set(OVERRIDE "mx1", "", "stop by ben", -1);
	publish("$-1\r\n");
	until(strcmp(value_of(OVERRIDE "mx2", ""), "send") == 0);
	until(strstr(told, "mx1 stop by ben\n"));
	assert_string_equal(value_of(OVERRIDE "mx1", ""), "stop by ben");
	assert_string_equal(value_of(PREFIX "life", ""), "another");
	finish();
}

/* Or is so between our look and our writing. */
static void
test_flushed_and_mended_meanwhile(void **v)
{
	(void)v;
	begin();
	three_words();
	forget_items();
	server.quicker = "stop by ben";
	publish("$-1\r\n");
	until(strstr(told, "mx1 stop by ben\n"));
	assert_null(server.quicker);
	assert_string_equal(value_of(OVERRIDE "mx1", ""), "stop by ben");
	finish();
}

static const struct loss_row {
	const char	*claim;
	const char	*run_id;	/* NULL: the same */
	int		 evicted;
	const char	*says;
} loss_rows[] = {
	{ "another server", "two", 0, "restarted or has failed over" },
	{ "evicted keys", NULL, 7, "it evicts keys" },
};

static void
test_replaced(void **v)
{
	const struct loss_row *row = *v;

	begin();
	three_words();
	/* It has lost the last writes, but not the mark. */
	item_remove(OVERRIDE "mx1", NULL);
	item_remove(OVERRIDE "mx2", NULL);
	server.run_id = row->run_id;
	server.evicted = row->evicted;
	server_shut();
	until(went == 1);
	server_open();
	all_back();
	unit_says(told_kept, row->says);
	finish();
}

static void
test_older_data(void **v)
{
	(void)v;
	begin();
	three_words();
	/* Before ann's stop there was a send, and mx3 had not been
	 * removed; mx4 is somebody's new word. */
	item_set(OVERRIDE "mx1", "", "send before", -1);
	item_set(OVERRIDE "mx2", "", "send", 5000);
	item_set(OVERRIDE "mx3", "", "send", -1);
	item_set(OVERRIDE "mx4", "", "stop", -1);
	server.run_id = "two";
	server_shut();
	until(went == 1);
	server_open();
	all_back();
	until(strstr(told, "mx4 stop\n"));
	assert_null(strstr(told, "mx1 send"));
	assert_int_equal(times_in(told, "mx3 send"), 1);
	unit_says(log_text, "override mx1 shows \"send\", but its data have "
	    "changed and \"stop\" was known before");
	unit_says(log_text, "override mx3 shows \"send\" again, which was "
	    "removed");
	/* Said once more, it is a word like any other. */
	beats(3);
	cli_set("mx1", "send indeed", -1);
	until(strstr(told, "mx1 send indeed\n"));
	cli_set("mx3", "send", -1);
	until(times_in(told, "mx3 send\n") == 2);
	finish();
}

static void
test_no_mark(void **v)
{
	(void)v;
	begin();
	rule(0, "SET", "-OOM command not allowed\r\n", -1);
	cli_set("mx1", "stop", -1);
	connected();
	unit_says(log_text, "life cannot be written: OOM command not "
	    "allowed");
	cli_del("mx1");
	until(told_kept[0] != '\0');
	assert_null(strstr(told, "auto"));
	put("mx1", WORD_NONE, 0, "");
	beats(3);
	/* Once it can be written all is as usual. */
	server.rules[0].command = NULL;
	cli_set("mx2", "stop", -1);
	until(strstr(told, "mx2 stop\n"));
	cli_del("mx2");
	until(key_exists(PREFIX "life"));
	until(key_exists(OVERRIDE "mx2"));
	beats(3);
	cli_del("mx2");
	until(strstr(told, "mx2 auto\n"));
	finish();
}

/* A run of the daemon ends while Redis has lost its data. */
static void
test_lost_meanwhile(void **v)
{
	char *memory;

	(void)v;
	begin();
	memory = memory_of_now();
	forget_items();
	store_new();
	redis_remember(store, memory);
	free(memory);
	expect("mx1", WORD_STOP);
	connected();
	until(strcmp(value_of(OVERRIDE "mx1", ""), "stop") == 0);
	assert_null(strstr(told, "auto"));
	until(remembers("life one/ "));
	finish();
}

/* A word that is taken between a flush and the look at all the others. */
static void
test_not_settled_too_early(void **v)
{
	char *before, *after;

	(void)v;
	begin();
	pace.full_gap = 100;
	three_words();
	before = redis_memory(store);
	forget_items();
	publish("$-1\r\n");
	until(key_exists(PREFIX "life"));
	put("mx4", WORD_STOP, 0, "");
	until(key_exists(OVERRIDE "mx4"));
	beats(2);
	if (!key_exists(OVERRIDE "mx1")) {
		after = redis_memory(store);
		assert_string_equal(after, before);
		free(after);
	}
	all_back();
	until(!remembers(before));
	free(before);
	finish();
}

static void
test_memory_of_words(void **v)
{
	char *memory;

	(void)v;
	begin();
	cli_set("mx1", "stop", -1);
	cli_set("mx2", "stop", -1);
	cli_set("mx3", "stop", -1);
	connected();
	server_shut();
	until(went == 1);
	put("mx1", WORD_NONE, 0, "");
	put("mx2", WORD_NONE, 0, "");
	put("mx3", WORD_SEND, 0, "");
	memory = redis_memory(store);
	assert_int_equal(times_in(memory, "remove "), 2);
	assert_int_equal(times_in(memory, "write "), 1);
	redis_free(store);
	store = NULL;
	told[0] = '\0';
	store_new();
	redis_remember(store, memory);
	free(memory);
	put("mx3", WORD_SEND, 0, "");
	/* mx2 was stopped anew meanwhile, and mx3 too. */
	item_set(OVERRIDE "mx2", "", "stop anew", -1);
	item_set(OVERRIDE "mx3", "", "stop anew", -1);
	server_open();
	connected();
	until(!key_exists(OVERRIDE "mx1"));
	until(strstr(told, "mx2 stop anew\n"));
	until(strstr(told, "mx3 stop anew\n"));
	assert_string_equal(value_of(OVERRIDE "mx2", ""), "stop anew");
	assert_string_equal(value_of(OVERRIDE "mx3", ""), "stop anew");
	until(!remembers("remove") && remembers("life one/ "));
	finish();
}

/* --- overrides to Redis ------------------------------------------------ */

static void
test_put(void **v)
{
	const struct item *it;

	(void)v;
	begin();
	connected();
	put("mx1", WORD_STOP, clock_wall_ms() + 60000, "because\tof it");
	until(item_find(OVERRIDE "mx1", ""));
	it = item_find(OVERRIDE "mx1", "");
	assert_string_equal(it->value, "stop because of it");
	assert_true(it->ttl_ms > 59000 && it->ttl_ms <= 60000);
	/* Told once, when Redis has it. */
	until(strcmp(told, "mx1 stop because of it\n") == 0);
	put("mx1", WORD_SEND, 0, "");
	until(strcmp(value_of(OVERRIDE "mx1", ""), "send") == 0);
	assert_int_equal(item_find(OVERRIDE "mx1", "")->ttl_ms, -1);
	put("mx1", WORD_NONE, 0, "");
	until(!key_exists(OVERRIDE "mx1"));
	beats(3);
	assert_int_equal(times_in(told, "auto"), 0);
	/* What has ended is removed. */
	cli_set("mx2", "stop", -1);
	until(strstr(told, "mx2 stop\n"));
	put("mx2", WORD_STOP, 1000, "");
	until(!key_exists(OVERRIDE "mx2"));
	/* From within a callback. */
	put_in_callback = true;
	cli_set("mx3", "stop", -1);
	until(key_exists(OVERRIDE "answer"));
	finish();
}

static void
test_put_while_away(void **v)
{
	(void)v;
	begin();
	connected();
	cli_set("mx1", "send", -1);
	until(strstr(told, "mx1 send\n"));
	server_shut();
	until(went == 1);
	put("mx1", WORD_STOP, 0, "ours");
	put("mx2", WORD_STOP, 0, "first");
	put("mx2", WORD_SEND, 0, "second");
	item_set(OVERRIDE "mx1", "", "send theirs", -1);
	item_set(OVERRIDE "mx3", "", "stop", -1);
	server_open();
	until(came == 2);
	until(strcmp(value_of(OVERRIDE "mx1", ""), "stop ours") == 0);
	until(strcmp(value_of(OVERRIDE "mx2", ""), "send second") == 0);
	until(strstr(told, "mx1 stop ours\n"));
	assert_null(strstr(told, "theirs"));
	assert_non_null(strstr(told, "mx3 stop\n"));
	finish();
}

/* The connection breaks while it is written, and somebody stops it. */
static void
test_put_while_it_breaks(void **v)
{
	(void)v;
	begin();
	pace.answer = 400;
	connected();
	rule(0, "SET", NULL, 1);
	put("mx1", WORD_SEND, 0, "ours");
	until(server.rules[0].used == 1);
	item_set(OVERRIDE "mx1", "", "stop theirs", -1);
	until(strstr(told, "mx1 stop theirs\n"));
	beats(2);
	assert_string_equal(value_of(OVERRIDE "mx1", ""), "stop theirs");
	finish();
}

/* A notice never came: everything is read now and then. */
static void
test_notice_missed(void **v)
{
	(void)v;
	begin();
	pace.full_read = 200;
	connected();
	item_set(OVERRIDE "mx1", "", "stop", -1);
	until(strstr(told, "mx1 stop\n"));
	item_remove(OVERRIDE "mx1", NULL);
	until(strstr(told, "mx1 auto\n"));
	finish();
}

#define HOUR_MS	3600000

/* The wall clock of the process goes on here, so what has moved shows. */
static void
test_clock_set(void **v)
{
	const struct item *it;
	size_t scans;

	(void)v;
	begin();
	three_words();
	/* Redis, which counts the ends, is asked at once. */
	scans = times_in(server.seen, "SCAN");
	redis_clock_set(store, 10);
	until(times_in(server.seen, "SCAN") > scans);
	beats(2);
	server_shut();
	until(went == 1);
	put("mx9", WORD_STOP, clock_wall_ms() + 60000, "waits");
	redis_clock_set(store, HOUR_MS);
	forget_items();
	server_open();
	until(key_exists(OVERRIDE "mx2") && key_exists(OVERRIDE "mx9"));
	it = item_find(OVERRIDE "mx2", "");
	assert_in_range(it->ttl_ms, HOUR_MS + 20000, HOUR_MS + 60010);
	it = item_find(OVERRIDE "mx9", "");
	assert_in_range(it->ttl_ms, HOUR_MS + 20000, HOUR_MS + 60010);
	finish();
}

static void
test_put_refused(void **v)
{
	const char *why;

	(void)v;
	begin();
	connected();
	rule(0, "SET", "-OOM command not allowed\r\n", -1);
	put("mx1", WORD_STOP, 0, "ours");
	until(server.rules[0].used >= 2);
	assert_int_equal(state(&why), REDIS_CONNECTED);
	unit_says(why, "OOM command not allowed");
	assert_int_equal(times_in(log_text, "OOM"), 1);
	/* The end of an older word is no newer word. */
	cli_set("mx2", "send", -1);
	until(strstr(told, "mx2 send\n"));
	put("mx2", WORD_STOP, 0, "ours");
	until(server.rules[0].used >= 4);
	cli_del("mx2");
	beats(2);
	server.rules[0].times = 0;
	until(strcmp(value_of(OVERRIDE "mx1", ""), "stop ours") == 0);
	until(strcmp(value_of(OVERRIDE "mx2", ""), "stop ours") == 0);
	assert_int_equal(times_in(told, "auto"), 0);
	until(state(&why) == REDIS_CONNECTED && strstr(why, "OOM") == NULL);
	assert_int_equal(times_in(log_text, "overrides are written again"), 1);
	assert_int_equal(went, 0);
	finish();
}

static void
test_newer_word(void **v)
{
	(void)v;
	begin();
	cli_set("mx1", "stop theirs", -1);
	connected();
	rule(0, "SET", "-NOPERM no\r\n", -1);
	put("mx1", WORD_SEND, 0, "ours");
	until(server.rules[0].used >= 2);
	beats(2);
	cli_set("mx1", "stop newer", -1);
	until(strstr(told, "mx1 stop newer\n"));
	server.rules[0].times = 0;
	beats(5);
	assert_string_equal(value_of(OVERRIDE "mx1", ""), "stop newer");
	finish();
}

/* --- the mirror of the board ------------------------------------------- */

static void
board_begin(int lists)
{
	char text[1024] = "egress = ( { name = \"mx1\"; addresses = "
	    "[\"203.0.113.7\", \"2001:db8::7\"]; }, { name = \"mx2\"; "
	    "addresses = [\"203.0.113.8\"]; } );\nlists = (";
	int i;

	for (i = 0; i < lists; i++)
		append(text, sizeof(text), "%s{ zone = \"bl%d.example.net\"; "
		    "lists = [\"ipv4\", \"ipv6\"]; }", i > 0 ? "," : "", i);
	append(text, sizeof(text), ");");
	policy = unit_policy(text);
	board = board_new(policy, clock_wall_ms());
}

static void
list_it(const char *subject, size_t list, int64_t now_ms)
{
	struct answer_seen seen = { .kind = ANS_LISTED, .code = 0x7f000002,
	    .weight = 100, .name = "SBL" };
	int i = board_find_subject(board, subject);

	assert_true(i >= 0);
	board_answer(board, (size_t)i, list, &seen, 0, now_ms);
	board_answer(board, (size_t)i, list, &seen, 1, now_ms);
	board_tick(board, now_ms);
}

static void
test_board(void **v)
{
	int64_t now = clock_wall_ms();
	char want[64];
	const char *why;
	struct override o = { .target = "mx2", .word = WORD_STOP,
	    .reason = "repairs", .until_ms = now + 5000 };
	size_t seen;

	(void)v;
	begin();
	board_begin(1);
	/* What an earlier life left behind. */
	item_set("mb:state:mx1", "l:gone.example.net", "x", -1);
	item_set("mb:stopped", "mx1", "1", -1);
	item_set("mb:stopped", "elsewhere", "1", -1);
	connected();
	redis_put_board(store, board, now);
	until(key_exists("mb:state:mx2"));
	assert_string_equal(value_of("mb:state:mx1", "state"), "sending");
	assert_string_equal(value_of("mb:state:mx1", "host"), "host1");
	assert_string_equal(value_of("mb:state:mx1", "checked"), "0");
	assert_null(item_find("mb:state:mx1", "l:gone.example.net"));
	assert_null(item_find("mb:stopped", "mx1"));
	assert_non_null(item_find("mb:stopped", "elsewhere"));
	until(key_exists("mb:list:bl0.example.net"));
	assert_string_equal(value_of("mb:list:bl0.example.net", "health"),
	    "unknown");

	list_it("203.0.113.7", 0, now);
	list_it("2001:db8::7", 0, now);
	board_text(board, (size_t)board_find_subject(board, "203.0.113.7"),
	    0, "see the page");
	assert_true(board_override(board, &o, now, &why));
	redis_put_board(store, board, now);
	until(strcmp(value_of("mb:state:mx2", "state"), "stopped") == 0);
	assert_string_equal(value_of("mb:state:mx1", "state"), "stopped");
	snprintf(want, sizeof(want), "203.0.113.7 127.0.0.2 SBL since=%lld "
	    "see the page", (long long)(now / 1000));
	assert_string_equal(value_of("mb:state:mx1", "l:bl0.example.net"),
	    want);
	unit_says(value_of("mb:state:mx1", "l:bl0.example.net/2001:db8::7"),
	    "2001:db8::7 127.0.0.2 SBL");
	unit_says(value_of("mb:state:mx1", "reason"),
	    "listed by bl0.example.net (SBL) and 1 more");
	unit_says(value_of("mb:state:mx2", "reason"), "repairs");
	snprintf(want, sizeof(want), "%lld", (long long)(now + 5000) / 1000);
	assert_string_equal(value_of("mb:state:mx2", "until"), want);
	snprintf(want, sizeof(want), "%lld", (long long)(now / 1000));
	assert_string_equal(value_of("mb:stopped", "mx1"), want);
	assert_string_equal(value_of("mb:stopped", "mx2"), want);

	/* The same again is not sent; the end of an override is. */
	seen = strlen(server.seen);
	redis_put_board(store, board, now);
	beats(2);
	assert_null(strstr(server.seen + seen, "mb:state"));
	board_tick(board, now + 5000);
	redis_put_board(store, board, now + 5000);
	until(item_find("mb:stopped", "mx2") == NULL);
	assert_string_equal(value_of("mb:state:mx2", "state"), "sending");
	assert_null(strstr(server.seen + seen, "mb:state:mx1"));
	finish();
}

static void
test_board_again(void **v)
{
	struct policy *p;
	int64_t now = clock_wall_ms();

	(void)v;
	begin();
	board_begin(1);
	store_new();
	redis_put_board(store, board, now);
	connected();
	until(key_exists("mb:state:mx1"));
	/* After a reconnect everything is written, by whatever was there. */
	server_shut();
	forget_items();
	item_set("mb:state:mx1", "", "a string", -1);
	server_open();
	until(item_find("mb:state:mx1", "state") &&
	    item_find("mb:state:mx2", "state"));
	assert_null(item_find("mb:state:mx1", ""));
	/* A flush is noticed without tracking too: the node is missing. */
	until(key_exists("mb:node:host1"));
	beats(3);
	forget_items();
	until(key_exists("mb:state:mx2") &&
	    key_exists("mb:list:bl0.example.net"));
	assert_string_equal(value_of("mb:node:host1", "version"), "0.1");
	assert_string_equal(value_of("mb:node:host1", "mode"), "enforce");
	assert_non_null(strstr(server.seen, "EXPIRE mb:node:host1 30"));
	/* One key removed by hand comes back whole with the next change. */
	item_remove("mb:state:mx1", NULL);
	list_it("203.0.113.7", 0, now);
	redis_put_board(store, board, now);
	until(item_find("mb:state:mx1", "host"));
	/* What the policy does not have any more goes. */
	p = unit_policy("egress = ( { name = \"mx2\"; addresses = "
	    "[\"203.0.113.8\"]; } );");
	board_set_policy(board, p, now);
	policy_unref(p);
	redis_put_board(store, board, now);
	until(!key_exists("mb:state:mx1") &&
	    !key_exists("mb:list:bl0.example.net"));
	assert_true(key_exists("mb:state:mx2"));
	assert_null(item_find("mb:stopped", "mx1"));
	finish();
}

static const struct write_row {
	const char	*claim;
	const char	*command;
	const char	*raw;
	const char	*says;
} write_rows[] = {
	{ "out of memory: written when it can be", "EXEC",
	    "-EXECABORT Transaction discarded\r\n", "EXECABORT" },
	{ "a refusal inside a transaction: written again", "EXEC",
	    "*1\r\n-ERR no\r\n", "strange answer" },
	{ "a queue refused: its reason is said", "HSET",
	    "-OOM too much\r\n", "OOM too much" },
};

static void
test_write_refused(void **v)
{
	const struct write_row *row = *v;

	begin();
	board_begin(1);
	connected();
	beats(2);
	rule(0, row->command, row->raw, -1);
	redis_put_board(store, board, clock_wall_ms());
	until(strstr(log_text, row->says));
	assert_int_equal(times_in(log_text, "states cannot be written"), 1);
	cli_set("mx1", "stop", -1);
	until(strstr(told, "mx1 stop\n"));
	server.rules[0].times = 0;
	until(item_find("mb:state:mx1", "state") &&
	    strstr(log_text, "states are written again"));
	assert_int_equal(went, 0);
	finish();
}

static void
test_events(void **v)
{
	struct board_event e = { .kind = EVENT_STATE, .at_ms = 5000, .egress =
	    "mx1", .from = "sending", .to = "stopped", .text = "a sentence" };
	int i;

	(void)v;
	begin();
	connected();
	redis_put_event(store, &e);
	until(server.events == 1);
	assert_non_null(strstr(server.seen, "XADD mb:events MAXLEN ~ 10000 * "
	    "at 5 kind state host host1 egress mx1 subject  zone  from "
	    "sending to stopped text a sentence\n"));
	until(store->m.event_count == 0);
	server_shut();
	until(went == 1);
	for (i = 0; i < 1100; i++)
		redis_put_event(store, &e);
	server_open();
	until(server.events == 1001);
	until(strstr(log_text, "100 events are missing"));
	rule(0, "XADD", "-WRONGTYPE no stream\r\n", 3);
	redis_put_event(store, &e);
	redis_put_event(store, &e);
	until(server.events == 1003);
	assert_int_equal(times_in(log_text, "events cannot be written"), 1);
	finish();
}

/* --- servers that are not as they should be ---------------------------- */

static const struct greeting_row {
	const char	*claim;
	const char	*command;
	const char	*raw;
	const char	*says;
} greeting_rows[] = {
	{ "a replica is refused", "ROLE", "*5\r\n$5\r\nslave\r\n$9\r\n"
	    "192.0.2.1\r\n:6380\r\n$9\r\nconnected\r\n:1\r\n",
	    "it is a replica of 192.0.2.1 port 6380" },
	{ "a Sentinel is refused", "ROLE",
	    "*2\r\n$8\r\nsentinel\r\n*0\r\n", "it is a Sentinel" },
	{ "a role without sense is refused", "ROLE", "+OK\r\n",
	    "its answer to ROLE makes no sense" },
	{ "a cluster is refused", "INFO",
	    "$17\r\ncluster_enabled:1\r\n", "Redis Cluster" },
	{ "a moved slot means a cluster", "SCAN",
	    "-MOVED 1 192.0.2.1:6379\r\n", "Redis Cluster" },
	{ "no password where one is asked for", "ROLE",
	    "-NOAUTH Authentication required.\r\n",
	    "set redis.password" },
	{ "a server that is loading", "ROLE",
	    "-LOADING Redis is loading\r\n", "LOADING Redis is loading" },
	{ "overrides that may not be read", "SCAN",
	    "-NOPERM no permissions\r\n", "cannot be read: NOPERM" },
	{ "a value that may not be read", "GETRANGE",
	    "-NOPERM no permissions\r\n", "cannot be read: NOPERM" },
	{ "a SCAN without sense", "SCAN", "*1\r\n$1\r\n0\r\n",
	    "its answer to SCAN makes no sense" },
	{ "a cursor without sense", "SCAN", "*2\r\n$1\r\nx\r\n*0\r\n",
	    "its answer to SCAN makes no sense" },
	{ "a PTTL that is no number", "PTTL", "+OK\r\n",
	    "its answer to PTTL makes no sense" },
	{ "a value that is no string", "GETRANGE", ":1\r\n",
	    "its answer to GETRANGE makes no sense" },
	{ "a SCAN without an end", "SCAN", "*2\r\n$1\r\n1\r\n*0\r\n",
	    "did not end" },
	{ "silence", "ROLE", NULL, "no answer to" },
	{ "silence later", "SCAN", NULL, "no answer to" },
	{ "one answer too many", "PTTL", ":-1\r\n:-1\r\n:-1\r\n:-1\r\n"
	    ":-1\r\n:-1\r\n:-1\r\n", "makes no sense" },
	{ "a mail server", "CLIENT", "220 mx.example.org ESMTP\r\n",
	    "does not speak the Redis protocol" },
	{ "a web server", "CLIENT", "HTTP/1.1 400 Bad Request\r\n",
	    "does not speak the Redis protocol" },
	{ "a text of more than may be", "SCAN", "$1048577\r\n",
	    "announces more than it may send" },
	{ "an array of two thousand million", "SCAN", "*2147483647\r\n",
	    "announces more than it may send" },
	{ "an array of more than any number", "SCAN",
	    "*99999999999999999999999999\r\n",
	    "does not speak the Redis protocol" },
	{ "a length below nothing", "SCAN", "$-2\r\n", "negative length" },
	{ "a length that is no number", "SCAN", "$1x\r\n",
	    "does not speak the Redis protocol" },
	{ "a number that is none", "PTTL", ":12x4\r\n",
	    "does not speak the Redis protocol" },
	{ "arrays in arrays in arrays", "SCAN", "*1\r\n*1\r\n*1\r\n*1\r\n"
	    "*1\r\n*1\r\n*1\r\n*1\r\n:1\r\n", "nested too deeply" },
	{ "a line end where none belongs", "SCAN",
	    "+a\n$1000\r\n*2147483647\r\n", "" },
	{ "another version of the protocol", "SCAN", "%1\r\n+a\r\n+b\r\n",
	    "does not speak the Redis protocol" },
};

/* It is refused with a reason, said once, and tried again: when the server
 * mends its ways all is well. */
static void
test_greeting(void **v)
{
	const struct greeting_row *row = *v;
	const char *why;

	begin();
	cli_set("mx1", "stop", -1);
	rule(0, row->command, row->raw, -1);
	if (row->raw == NULL)
		pace.answer = 100;
	pace.full_read_max = 100;
	store_new();
	until(strstr(log_text, row->says) && server.rules[0].used >= 1);
	assert_int_not_equal(state(&why), REDIS_CONNECTED);
	assert_int_equal(came, 0);
	if (row->raw != NULL) {
		until(server.accepted >= 4);
		assert_true(times_in(log_text, "\n") <= 2);
	}
	assert_string_equal(told, "");
	server.rules[0].times = 0;
	connected();
	assert_string_equal(told, "mx1 stop\n");
	finish();
}

static void
test_endless(void **v)
{
	static const char *const heads[] = { "$1048000\r\n", "+",
	    "*200000\r\n" };
	char *raw = xcalloc(1, BIG);
	size_t i, at;

	(void)v;
	for (i = 0; i < COUNT(heads); i++) {
		begin();
		strcpy(raw, heads[i]);
		at = strlen(raw);
		if (i < 2) {
			memset(raw + at, 'x', BIG - at);
		} else {
			for (; at + 14 <= BIG; at += 14)
				memcpy(raw + at, "$8\r\nxxxxxxxx\r\n", 14);
		}
		rule(0, "SCAN", raw, -1);
		server.rules[0].len = at;
		if (i < 2)
			server.rules[0].len = BIG;
		store_new();
		until(went == 1);
		unit_says(log_text, i == 0 ?
		    "does not speak the Redis protocol" :
		    "its answer is too long");
		finish();
	}
	free(raw);
}

static void
test_unasked(void **v)
{
	size_t i;

	(void)v;
	begin();
	cli_set("mx1", "stop", -1);
	connected();
	/* On either connection, between two heartbeats. */
	for (i = 0; i < PEERS_MAX; i++) {
		if (server.peers[i] != NULL && !server.peers[i]->tracking)
			bufferevent_write(server.peers[i]->bev,
			    "+PONG\r\n+PONG\r\n+PONG\r\n", 21);
	}
	until(went == 1 && came == 2);
	/* One of them may have come between a question and its answer. */
	assert_true(strstr(log_text, "it answers what nobody asked") ||
	    strstr(log_text, "answer to ROLE makes no sense"));
	/* Known overrides were kept and not told again. */
	assert_string_equal(told, "mx1 stop\n");
	finish();
}

static void
test_greets_first(void **v)
{
	(void)v;
	begin();
	server.greeting = "-DENIED Redis is running in protected mode\r\n";
	store_new();
	until(strstr(log_text, "DENIED Redis is running in protected"));
	server.greeting = NULL;
	connected();
	finish();

	/* The same where it seems to be the answer to the first request. */
	begin();
	rule(0, "CLIENT", "-ERR max number of clients reached\r\n", -1);
	server.rules[0].hang_up = true;
	store_new();
	until(strstr(log_text, "it closed the connection after \"ERR max"));
	finish();
}

static void
test_slow_bytes(void **v)
{
	(void)v;
	begin();
	pace.answer = 400;
	connected();
	/* Half an answer, and no more. */
	rule(0, "GETRANGE", "$10\r\nsto", 1);
	cli_set("mx1", "stop", -1);
	until(went == 1);
	until(strstr(told, "mx1 stop\n") && came == 2);
	assert_int_equal(times_in(told, "\n"), 1);
	finish();
}

static void
test_dead(void **v)
{
	int64_t since;

	(void)v;
	begin();
	pace.answer = 400;
	cli_set("mx1", "stop", -1);
	connected();
	/* Frozen: the connections stand, nothing is answered. */
	rule(0, "PING", NULL, -1);
	rule(1, "CLIENT", NULL, -1);
	since = clock_mono_ms();
	until(went == 1);
	assert_true(clock_mono_ms() - since >= 300);
	unit_says(told_status, "no answer to ");
	unit_says(log_text, "the known overrides stand");
	until(server.accepted >= 4);
	server.rules[0].times = server.rules[1].times = 0;
	until(came == 2);
	assert_string_equal(told, "mx1 stop\n");
	finish();
}

static void
test_comes_and_goes(void **v)
{
	size_t before, before_connected;
	int i;

	(void)v;
	begin();
	connected();
	for (i = 0; i < 8; i++) {
		hang_up_all();
		until(store->status != REDIS_CONNECTED);
		until(store->status == REDIS_CONNECTED);
	}
	unit_says(log_text, "it comes and goes");
	before = times_in(log_text, "\n");
	before_connected = times_in(log_text, "connected, overrides");
	hang_up_all();
	until(store->status != REDIS_CONNECTED);
	until(store->status == REDIS_CONNECTED);
	assert_int_equal(times_in(log_text, "\n"), before);
	/* How it is when that has ended is said, either way. */
	store->pace.steady = 30;
	until(times_in(log_text, "connected, overrides") ==
	    before_connected + 1);
	assert_int_equal(times_in(log_text, "\n"), before + 1);
	store->pace.steady = 10000;
	for (i = 0; i < 5; i++) {
		hang_up_all();
		until(store->status != REDIS_CONNECTED);
		if (i < 4)
			until(store->status == REDIS_CONNECTED);
		else
			server_shut();
	}
	store->pace.steady = 30;
	until(strstr(log_text, "not connected: "));
	finish();
}

static void
test_goes_away(void **v)
{
	const char *why;

	(void)v;
	begin();
	cli_set("mx1", "stop", -1);
	cli_set("mx2", "stop", -1);
	connected();
	server_shut();
	until(went == 1);
	/* While it is away nothing is told, and the trouble said once. */
	beats(0);
	until(strstr(log_text, "refused"));
	assert_int_not_equal(state(&why), REDIS_CONNECTED);
	item_remove(OVERRIDE "mx2", NULL);
	server_open();
	until(came == 2);
	assert_string_equal(told + strlen("mx1 stop\nmx2 stop\n"),
	    "mx2 auto\n");
	assert_int_equal(times_in(log_text, "refused"), 1);
	finish();
}

static void
test_nobody_there(void **v)
{
	const char *why;

	(void)v;
	begin();
	server_shut();
	store_new();
	until(went == 1);
	assert_int_not_equal(state(&why), REDIS_CONNECTED);
	server_open();
	connected();
	finish();

	begin();
	server.at = (struct endpoint){ .kind = ENDPOINT_UNIX,
	    .path = "/nonexistent/redis.sock" };
	store_new();
	until(went == 1);
	unit_says(log_text, "No such file or directory");
	finish();
}

static void
test_password(void **v)
{
	(void)v;
	begin();
	store_new_with(PASSWORD);
	rule(0, "AUTH", "-ERR unknown command 'AUTH', with args beginning "
	    "with: '" PASSWORD "'\r\n", 1);
	until(went == 1);
	unit_says(log_text, "the password is refused: ERR");
	rule(0, "AUTH", "-WRONGPASS invalid username-password pair\r\n", 1);
	until(strstr(log_text, "refused: WRONGPASS invalid"));
	/* Hidden also where it is only part of another answer. */
	rule(0, "ROLE", "-ERR geheim-9 is in here\r\n", 1);
	until(server.rules[0].used == 1 && came == 1);
	unit_says(server.seen, "AUTH " PASSWORD "\n");
	assert_null(strstr(log_text, "geheim"));
	assert_null(strstr(told_status, "geheim"));
	finish();
}

static void
test_not_allowed_to_ask(void **v)
{
	(void)v;
	begin();
	rule(0, "ROLE", "-NOPERM this user has no permissions\r\n", -1);
	rule(1, "INFO", "-ERR unknown command 'INFO'\r\n", -1);
	rule(2, "CLIENT SETNAME", "-NOPERM no\r\n", -1);
	connected();
	assert_string_equal(way(), "tracking");
	finish();
}

static void
test_becomes_replica(void **v)
{
	(void)v;
	begin();
	board_begin(0);
	connected();
	rule(0, "HSET", "-READONLY You can't write against a read only "
	    "replica.\r\n", 1);
	redis_put_board(store, board, clock_wall_ms());
	until(went == 1);
	unit_says(told_status, "it has become a read-only replica");
	until(came == 2 && item_find("mb:state:mx1", "state"));
	finish();
}

/* --- the end ----------------------------------------------------------- */

static void
release_cb(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	redis_finish(store, 50);
	redis_free(store);
	store = NULL;
	*(bool *)arg = true;
}

/* The server lives in the loop that stands still meanwhile, so the answer
 * does not come; what was sent lies in the kernel's buffers. */
static void
test_last_words(void **v)
{
	bool freed = false;
	int64_t since;
	struct event *timer;
	struct timeval tv = { 0, 0 };

	(void)v;
	begin();
	connected();
	put("mx1", WORD_STOP, 0, "last words");
	/* From within a callback of the same loop. */
	timer = event_new(base, -1, 0, release_cb, &freed);
	event_add(timer, &tv);
	since = clock_mono_ms();
	until(freed);
	assert_true(clock_mono_ms() - since < 4000);
	event_free(timer);
	until(key_exists(OVERRIDE "mx1"));
	assert_string_equal(value_of(OVERRIDE "mx1", ""), "stop last words");
	finish();

	/* Nothing to write, or nobody to write to: no wait. */
	begin();
	connected();
	beats(2);
	since = clock_mono_ms();
	redis_finish(store, 5000);
	redis_free(store);
	store = NULL;
	assert_true(clock_mono_ms() - since < 4000);
	finish();
	begin();
	server_shut();
	store_new();
	put("mx1", WORD_STOP, 0, "");
	redis_finish(store, 5000);
	redis_free(store);
	store = NULL;
	finish();
}

int
main(void)
{
	/* As the daemon does: libevent writes to whoever has hung up. */
	signal(SIGPIPE, SIG_IGN);
	unit_rows(value_rows, test_value);
	unit_claim("a value may be 4096 bytes long", test_long_values);
	unit_claim("a notice makes an override known", test_tracking);
	unit_claim("the end of an override is not waited for", test_end);
	unit_claim("what is not understood changes nothing", test_bad);
	unit_claim("of two keys for one target the one that is left counts",
	    test_one_target_two_keys);
	unit_claim("a strange notice means look at everything",
	    test_strange_notices);
	unit_claim("without tracking overrides are polled", test_polling);
	unit_rows(refusal_rows, test_tracking_refused);
	unit_claim("notices lost alone are no loss", test_notices_lost);
	unit_claim("a key that changes while it is read is read again",
	    test_torn_reading);
	unit_claim("more overrides than one batch", test_many);
	unit_claim("an override remembered but gone is told",
	    test_expected);
	unit_claim("a flush removes no word", test_flushed);
	unit_claim("nor does one that is not announced",
	    test_flushed_while_polling);
	unit_claim("a word that another host wrote back is taken",
	    test_flushed_and_mended);
	unit_claim("nor is one that somebody writes while it does so",
	    test_flushed_and_mended_meanwhile);
	unit_rows(loss_rows, test_replaced);
	unit_claim("older data change no word", test_older_data);
	unit_claim("without a mark nothing is removed", test_no_mark);
	unit_claim("data lost between two runs remove no word",
	    test_lost_meanwhile);
	unit_claim("data are known when all in them is",
	    test_not_settled_too_early);
	unit_claim("words not written yet are remembered",
	    test_memory_of_words);
	unit_claim("our own words are written", test_put);
	unit_claim("our own words of meanwhile win", test_put_while_away);
	unit_claim("a stop that was set while our word got lost stands",
	    test_put_while_it_breaks);
	unit_claim("a notice that does not come is made up for",
	    test_notice_missed);
	unit_claim("ends move with the clock", test_clock_set);
	unit_claim("a refused word is kept", test_put_refused);
	unit_claim("a newer word beats a refused one", test_newer_word);
	unit_claim("the board is mirrored by its differences", test_board);
	unit_claim("the mirror mends itself", test_board_again);
	unit_rows(write_rows, test_write_refused);
	unit_claim("events are kept, the last thousand", test_events);
	unit_rows(greeting_rows, test_greeting);
	unit_claim("an endless answer ends the connection", test_endless);
	unit_claim("answers nobody asked for end the connection",
	    test_unasked);
	unit_claim("a refusal before any question is told",
	    test_greets_first);
	unit_claim("half an answer is no answer", test_slow_bytes);
	unit_claim("a frozen server is noticed", test_dead);
	unit_claim("one that comes and goes is not said each time",
	    test_comes_and_goes);
	unit_claim("what changed while it was away is found",
	    test_goes_away);
	unit_claim("nobody there is tried again", test_nobody_there);
	unit_claim("the password is in no message", test_password);
	unit_claim("questions that may not be asked are left out",
	    test_not_allowed_to_ask);
	unit_claim("a master that becomes a replica is left",
	    test_becomes_replica);
	unit_claim("last words are sent before the end", test_last_words);
	return unit_run("redis");
}
