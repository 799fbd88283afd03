/*
 * redis.c - the Redis store: its connections, their coming and going
 *
 * Two connections to one server.  On the first everything is read and
 * written.  The second learns of changed overrides within a millisecond: it
 * tells the server to track the keys below our prefix and to send the
 * notices to itself, which needs no configuration there, and, unlike
 * tracking into another connection, cannot fail silently: tracking and
 * subscription die together.  Where that is refused (old servers, proxies,
 * an ACL), overrides are polled.
 *
 * A notice only means "look"; the value is always read.  Notices can be
 * missed, so everything is also read now and then.
 */
#include "store/redis.h"

#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "store/redis_parts.h"
#include "store/sentinel.h"

#define REPLY_BYTES		(1024 * 1024)
#define SCANS_FEW		10	/* of 1000 keys each */
#define READ_FACTOR_MAX		20	/* ten minutes */
#define PENDING_MAX		2048
#define FLAPS_MAX		3
#define PASSWORD_MAX		1024
#define SECRET_HEAD		6	/* bytes of a password that tell it */
#define CHANNEL			"__redis__:invalidate"

static const struct redis_pace PACE = {
	.connect = 2000,
	.answer = 2000,
	.heartbeat = 1000,
	.full_read = 30000,
	.full_gap = 100,
	.poll = 500,
	.full_read_max = 120000,
	.retry_min = 100,
	.retry_max = 10000,
	.tracking_again = 60000,
	.steady = 60000,
	.node = 10000,
};

#define CLUSTER	"it is part of a Redis Cluster, which is not supported"

/* Beginnings of errors after which the connection is of no use, and what
 * to tell people; NULL: the server's own words say it well.  Those that
 * only a person can mend are tried again slowly. */
static const struct {
	const char	*word;
	bool		 slow;
	const char	*means;
} hopeless[] = {
	{ "READONLY", false, "it has become a read-only replica" },
	{ "LOADING", false, NULL },
	{ "MASTERDOWN", false, NULL },
	{ "DENIED", false, NULL },
	{ "ERR max number of clients", false, NULL },
	{ "NOAUTH", true, "it asks for a password: set redis.password" },
	{ "MOVED", true, CLUSTER },
	{ "ASK", true, CLUSTER },
	{ "CROSSSLOT", true, CLUSTER },
	{ "CLUSTERDOWN", true, CLUSTER },
};

static void	open_notices(struct redis *);

/* --- small things ------------------------------------------------------ */

static void
arm(struct event *timer, int64_t ms)
{
	struct timeval tv;

	if (ms < 0)
		ms = 0;
	tv.tv_sec = ms / 1000;
	tv.tv_usec = ms % 1000 * 1000;
	event_add(timer, &tv);
}

/* The wait before the next try: random between the least and three times
 * the last one, so that a fleet does not come back in step. */
static int64_t
next_delay(const struct redis *r, int64_t last)
{
	int64_t low = r->pace.retry_min, high = last * 3;
	uint32_t random;

	if (high < low * 3)
		high = low * 3;
	if (high > r->pace.retry_max)
		high = r->pace.retry_max;
	if (high <= low)
		return low;
	evutil_secure_rng_get_bytes(&random, sizeof(random));
	return low + (int64_t)(random % (uint64_t)(high - low + 1));
}

static bool
starts_with_word(const char *text, const char *word)
{
	size_t len = strlen(word);

	return strncmp(text, word, len) == 0 &&
	    (text[len] == ' ' || text[len] == '\0');
}

/*
 * A server that does not know AUTH repeats the arguments in its error, cut
 * off somewhere.  So a text that holds the beginning of the password is not
 * shown past its first word.
 */
static void
hide_secret(const struct redis *r, char *text)
{
	char head[REDIS_TEXT_MAX];
	size_t keep;

	if (r->password == NULL || r->password[0] == '\0')
		return;
	/* Cleaned, as the text is. */
	text_clean(head, sizeof(head), r->password,
	    strlen(r->password));
	head[SECRET_HEAD] = '\0';
	if (strstr(text, head) == NULL)
		return;
	keep = strcspn(text, " ");
	if (keep > 20 || strstr(text, head) < text + keep)
		keep = 0;
	snprintf(text + keep, REDIS_TEXT_MAX - keep, " (the rest is not "
	    "shown: it repeats the password)");
}

const char *
redis_error_text(const struct redis *r, const struct redis_reply *reply,
    char buf[REDIS_TEXT_MAX])
{
	const char *text;
	size_t len;

	text = reply_text(reply, &len);
	text_clean(buf, REDIS_TEXT_MAX, text, len);
	hide_secret(r, buf);
	return buf;
}

bool
redis_hopeless(struct redis *r, const char *error)
{
	size_t i;

	for (i = 0; i < sizeof(hopeless) / sizeof(hopeless[0]); i++) {
		if (!starts_with_word(error, hopeless[i].word))
			continue;
		r->slow = hopeless[i].slow;
		if (hopeless[i].means != NULL)
			redis_drop(r, "%s (%s)", hopeless[i].means,
			    hopeless[i].word);
		else
			redis_drop(r, "it says \"%s\"", error);
		return true;
	}
	return false;
}

void
redis_kick(struct redis *r)
{
	if (!r->draining)
		event_active(r->pump, EV_TIMEOUT, 0);
}

void
redis_kick_in(struct redis *r, int64_t ms)
{
	arm(r->pump, ms);
}

static void
pump(struct redis *r)
{
	mirror_look(r);
	/* The first may find that the connection is of no use. */
	if (r->ready)
		overrides_pump(r);
	if (r->ready)
		mirror_pump(r);
	if (r->ready && !r->draining)
		fleet_pump(r);
}

static void
pump_cb(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	pump(arg);
}

/* --- what people are told ---------------------------------------------- */

/* True the first time since all was well. */
static bool
is_news(struct redis *r, const char *text)
{
	uint64_t hash = table_hash(0, text, strlen(text));
	size_t i;

	for (i = 0; i < r->said_count; i++) {
		if (r->said[i] == hash)
			return false;
	}
	if (r->said_count == sizeof(r->said) / sizeof(r->said[0]))
		return false;
	r->said[r->said_count++] = hash;
	return true;
}

static void
set_status(struct redis *r, enum redis_status status, const char *why,
    bool tell)
{
	text_copy(r->why, sizeof(r->why), why);
	r->status = status;
	if (tell && !r->draining && r->flaps <= FLAPS_MAX)
		r->cbs.status(r->ctx, status, r->why);
}

static void
say_down(struct redis *r, const char *why)
{
	bool was_connected = r->status == REDIS_CONNECTED;
	int64_t lasted = clock_mono_ms() - r->since_ms;
	bool news;

	if (was_connected) {
		if (lasted >= r->pace.steady)
			r->flaps = 0;
		else if (r->flaps <= FLAPS_MAX)
			r->flaps++;
		r->since_ms = clock_mono_ms();
	}
	news = is_news(r, why) && r->flaps <= FLAPS_MAX;
	if (!news)
		log_debug("redis %s: %s", r->server, why);
	else if (was_connected && r->flaps == FLAPS_MAX)
		log_warnx("redis %s: %s; it comes and goes, more of this "
		    "only in debug lines", r->server, why);
	else if (was_connected)
		log_warnx("redis %s: lost: %s; the known overrides stand",
		    r->server, why);
	else
		log_warnx("redis %s: %s; trying again", r->server, why);
	set_status(r, REDIS_DOWN, why, was_connected || news);
}

static void
say_down_still(struct redis *r)
{
	char why[REDIS_TEXT_MAX];

	text_copy(why, sizeof(why), r->why);
	log_warnx("redis %s: not connected: %s; the known overrides stand",
	    r->server, why);
	set_status(r, REDIS_DOWN, why, true);
}

static const char *
way_name(enum redis_way way)
{
	return way == WAY_TRACKING ? "tracking" :
	    way == WAY_POLLING ? "polling" : "";
}

static void
say_connected(struct redis *r)
{
	char text[REDIS_TEXT_MAX];
	bool again = r->status == REDIS_CONNECTED;

	if (r->way == WAY_TRACKING)
		snprintf(text, sizeof(text),
		    "connected, overrides arrive by tracking");
	else
		snprintf(text, sizeof(text),
		    "connected, overrides are polled every %d ms: %.150s",
		    r->pace.poll, r->way_why);
	if (!again)
		r->since_ms = clock_mono_ms();
	if (r->flaps > FLAPS_MAX)
		log_debug("redis %s: %s", r->server, text);
	else
		log_info("redis %s: %s", r->server, text);
	r->said_count = 0;
	r->told_way = r->way;
	set_status(r, REDIS_CONNECTED, text, true);
}

void
redis_lane_refused(struct redis *r, struct redis_lane *lane,
    const char *error)
{
	int64_t now = clock_mono_ms();

	/* Others of the same bunch. */
	if (lane->refused && now < lane->retry_ms)
		return;
	lane->delay_ms = next_delay(r, lane->delay_ms);
	lane->retry_ms = now + lane->delay_ms;
	if (lane->refused && strcmp(lane->why, error) == 0) {
		log_debug("redis %s: %s: %s", r->server, lane->what, error);
		return;
	}
	lane->refused = true;
	text_copy(lane->why, sizeof(lane->why), error);
	log_warnx("redis %s: %s cannot be written: %s; kept, and tried again",
	    r->server, lane->what, error);
}

void
redis_lane_taken(struct redis *r, struct redis_lane *lane)
{
	if (lane->refused)
		log_info("redis %s: %s are written again", r->server,
		    lane->what);
	lane->refused = false;
	lane->delay_ms = lane->retry_ms = 0;
}

bool
redis_lane_open(const struct redis_lane *lane)
{
	return !lane->refused || clock_mono_ms() >= lane->retry_ms;
}

/* --- the end of a connection ------------------------------------------- */

static void
close_all(struct redis *r)
{
	redis_conn_free(r->data);
	redis_conn_free(r->notices);
	r->data = r->notices = NULL;
	r->ready = r->subscribed = r->asking = false;
	r->way = WAY_NONE;
	event_del(r->read_timer);
	event_del(r->notices_timer);
	life_lost(r);
	overrides_lost(r);
	mirror_lost(r);
	fleet_lost(r);
	sharing_lost(r);
}

void
redis_drop(struct redis *r, const char *fmt, ...)
{
	char why[REDIS_TEXT_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	close_all(r);
	/* A wrong password does not become right by asking often. */
	if (r->slow)
		r->delay_ms = r->pace.retry_max;
	r->delay_ms = next_delay(r, r->delay_ms);
	if (r->slow && r->delay_ms < r->pace.retry_max / 2)
		r->delay_ms = r->pace.retry_max / 2;
	r->slow = false;
	arm(r->connect_timer, r->delay_ms);
	say_down(r, why);
}

static void
data_down(void *ctx, const char *why)
{
	char text[REDIS_TEXT_MAX];

	text_copy(text, sizeof(text), why);
	hide_secret(ctx, text);
	redis_drop(ctx, "%s", text);
}

/* --- the connection for reads and writes ------------------------------- */

static void
auth_cb(void *ctx, void *arg, const struct redis_reply *reply)
{
	struct redis *r = ctx;
	char text[REDIS_TEXT_MAX];

	(void)arg;
	if (reply_kind(reply) != REPLY_ERROR)
		return;
	redis_error_text(r, reply, text);
	if (redis_hopeless(r, text))
		return;
	r->slow = true;
	redis_drop(r, "the password is refused: %s", text);
}

static void
select_cb(void *ctx, void *arg, const struct redis_reply *reply)
{
	struct redis *r = ctx;
	char text[REDIS_TEXT_MAX];

	(void)arg;
	if (reply_kind(reply) != REPLY_ERROR)
		return;
	redis_error_text(r, reply, text);
	if (redis_hopeless(r, text))
		return;
	r->slow = true;
	redis_drop(r, "database %d is refused: %s", r->conf.database, text);
}

/* Who we are, on either connection. */
static void
greet(struct redis *r, struct redis_conn *c, redis_reply_cb *auth,
    redis_reply_cb *selected)
{
	char name[REDIS_TEXT_MAX], database[16];

	if (r->password != NULL && r->conf.username != NULL)
		redis_conn_sendl(c, auth, NULL, "AUTH", r->conf.username,
		    r->password, NULL);
	else if (r->password != NULL)
		redis_conn_sendl(c, auth, NULL, "AUTH", r->password,
		    NULL);
	if (r->conf.database != 0) {
		snprintf(database, sizeof(database), "%d", r->conf.database);
		redis_conn_sendl(c, selected, NULL, "SELECT", database, NULL);
	}
	/* For CLIENT LIST; whether it is allowed does not matter. */
	snprintf(name, sizeof(name), "mailbrake:%s", r->host);
	redis_conn_sendl(c, NULL, NULL, "CLIENT", "SETNAME", name, NULL);
}

/* Errors that only say that a question may not be asked. */
static bool
is_not_allowed(const char *error)
{
	return starts_with_word(error, "NOPERM") ||
	    strncmp(error, "ERR unknown command", 19) == 0;
}

static void
role_cb(void *ctx, void *arg, const struct redis_reply *reply)
{
	struct redis *r = ctx;
	char text[REDIS_TEXT_MAX];
	const char *role;

	(void)arg;
	if (reply_kind(reply) == REPLY_ERROR) {
		redis_error_text(r, reply, text);
		if (!redis_hopeless(r, text) && !is_not_allowed(text))
			redis_drop(r, "it says \"%s\"", text);
		return;
	}
	role = reply_count(reply) > 0 ?
	    reply_text(reply_at(reply, 0), NULL) : "";
	if (strcmp(role, "master") == 0)
		return;
	if (strcmp(role, "slave") == 0 && reply_count(reply) >= 3)
		redis_drop(r, "it is a replica of %s port %lld: %s",
		    text_clean(text, 80, reply_text(reply_at(reply, 1), NULL),
		    strlen(reply_text(reply_at(reply, 1), NULL))),
		    (long long)reply_integer(reply_at(reply, 2)),
		    r->sentinel != NULL ? "asking for the master again" :
		    "redis.server must be the master");
	else if (strcmp(role, "sentinel") == 0)
		redis_drop(r, "it is a Sentinel: redis.server must be the "
		    "Redis server itself");
	else
		redis_drop(r, "its answer to ROLE makes no sense");
}

/* The last of the greeting, but for what redis_life.c asks. */
static void
info_cb(void *ctx, void *arg, const struct redis_reply *reply)
{
	struct redis *r = ctx;
	char text[REDIS_TEXT_MAX];

	(void)arg;
	if (reply_kind(reply) == REPLY_ERROR) {
		redis_error_text(r, reply, text);
		if (redis_hopeless(r, text))
			return;
		if (!is_not_allowed(text)) {
			redis_drop(r, "it says \"%s\"", text);
			return;
		}
	} else if (strstr(reply_text(reply, NULL), "cluster_enabled:1")) {
		r->slow = true;
		redis_drop(r, "%s", CLUSTER);
		return;
	}
	life_info(r, reply_kind(reply) == REPLY_ERROR ? "" :
	    reply_text(reply, NULL));
	if (r->life.eviction[0] != '\0' && !r->said_eviction &&
	    strcmp(r->life.eviction, "noeviction") != 0) {
		r->said_eviction = true;
		log_warnx("redis %s: its maxmemory-policy is %s: when it is "
		    "full, it forgets overrides; set noeviction", r->server,
		    r->life.eviction);
	}
	life_ask_mark(r);
}

void
redis_greeted(struct redis *r)
{
	r->ready = true;
	mirror_unknown(r);
	open_notices(r);
	redis_kick(r);
}

static void
data_up(void *ctx)
{
	struct redis *r = ctx;

	greet(r, r->data, auth_cb, select_cb);
	redis_conn_sendl(r->data, role_cb, NULL, "ROLE", NULL);
	redis_conn_sendl(r->data, info_cb, NULL, "INFO", NULL);
}

static const struct redis_conn_handlers data_handlers = {
	.up = data_up,
	.down = data_down,
};

static struct redis_conn *
open_conn(struct redis *r, const struct redis_conn_handlers *handlers)
{
	struct redis_conn_limits limits = {
		.connect_ms = r->pace.connect,
		.answer_ms = r->pace.answer,
		.reply_bytes = REPLY_BYTES,
		.pending = PENDING_MAX,
	};

	return redis_conn_new(r->base, &r->at, r->conf.use_tls ?
	    &r->conf.tls : NULL, &limits, handlers, r);
}

/* The first line of the password's file.  NULL, or what is wrong. */
static const char *
read_password(const char *path, char buf[PASSWORD_MAX])
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	const char *wrong = NULL;
	struct stat st;
	ssize_t n = 0;

	if (fd == -1)
		return strerror(errno);
	if (fstat(fd, &st) == -1)
		wrong = strerror(errno);
	else if (!S_ISREG(st.st_mode))
		wrong = "it is no file";
	else if (st.st_mode & 0007)
		wrong = "everybody may read or change it: chmod o= it";
	else if ((n = read(fd, buf, PASSWORD_MAX - 1)) == -1)
		wrong = strerror(errno);
	close(fd);
	if (wrong != NULL)
		return wrong;
	buf[n] = '\0';
	buf[strcspn(buf, "\r\n")] = '\0';
	return buf[0] == '\0' ? "its first line is empty" : NULL;
}

/* False, and another try is due, if there is none. */
static bool
take_password(struct redis *r)
{
	char buf[PASSWORD_MAX];
	const char *wrong;

	if (r->conf.password_file == NULL)
		return true;
	free(r->password);
	r->password = NULL;
	if ((wrong = read_password(r->conf.password_file, buf)) == NULL) {
		r->password = xstrdup(buf);
		explicit_bzero(buf, sizeof(buf));
		return true;
	}
	redis_drop(r, "redis.password_file %s: %s", r->conf.password_file,
	    wrong);
	return false;
}

static void
open_data(struct redis *r)
{
	endpoint_text(&r->at, r->server);
	r->data = open_conn(r, &data_handlers);
}

static void
connect_cb(evutil_socket_t fd, short what, void *arg)
{
	struct redis *r = arg;

	(void)fd;
	(void)what;
	r->status = REDIS_CONNECTING;
	if (!take_password(r))
		return;
	if (r->sentinel == NULL) {
		open_data(r);
		return;
	}
	r->asking = true;
	sentinel_ask(r->sentinel);
}

/* --- Sentinel ---------------------------------------------------------- */

static void
master_cb(void *ctx, const struct endpoint *e)
{
	struct redis *r = ctx;
	char text[ENDPOINT_TEXT_MAX];
	bool same = strcmp(endpoint_text(e, text), r->server) == 0;

	/* Unasked it is news only if it is another one. */
	if (!r->asking && same)
		return;
	if (!r->asking && r->data != NULL)
		redis_drop(r, "Sentinel says that the master is %s now",
		    text);
	r->asking = false;
	event_del(r->connect_timer);
	r->at = *e;
	/* The old one takes words for a while yet, and forgets them. */
	if (take_password(r))
		open_data(r);
}

static void
no_master_cb(void *ctx, const char *why)
{
	struct redis *r = ctx;

	if (r->asking)
		redis_drop(r, "%s", why);
}

static void
start_sentinel(struct redis *r)
{
	static const struct sentinel_callbacks calls = {
		.master = master_cb,
		.unknown = no_master_cb,
	};
	struct redis_conn_limits limits = {
		.connect_ms = r->pace.connect,
		.answer_ms = r->pace.answer,
		.reply_bytes = REPLY_BYTES,
		.pending = PENDING_MAX,
	};
	struct sentinel_conf sc = { .servers = r->conf.sentinels,
	    .server_count = r->conf.sentinel_count,
	    .master_name = r->conf.master_name,
	    .username = r->conf.sentinel_username,
	    .password = r->conf.sentinel_password,
	    .tls = r->conf.use_tls ? &r->conf.tls : NULL };

	if (r->conf.sentinel_count == 0)
		return;
	snprintf(r->server, sizeof(r->server), "master %.100s",
	    r->conf.master_name);
	r->sentinel = sentinel_new(r->base, &sc, &limits, &calls, r);
}

/* --- the connection for notices ---------------------------------------- */

static void
poll_instead(struct redis *r, int64_t again_ms, const char *fmt, ...)
    __attribute__((__format__(__printf__, 3, 4)));

static void
poll_instead(struct redis *r, int64_t again_ms, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(r->way_why, sizeof(r->way_why), fmt, ap);
	va_end(ap);
	log_debug("redis %s: %s", r->server, r->way_why);
	redis_conn_free(r->notices);
	r->notices = NULL;
	r->subscribed = false;
	r->way = WAY_POLLING;
	arm(r->notices_timer, again_ms);
	redis_want_full_read(r);
}

static void
notices_down(void *ctx, const char *why)
{
	struct redis *r = ctx;
	char text[REDIS_TEXT_MAX];

	text_copy(text, sizeof(text), why);
	hide_secret(r, text);
	if (r->subscribed &&
	    clock_mono_ms() - r->subscribed_ms >= r->pace.steady)
		r->notices_delay_ms = 0;
	r->notices_delay_ms = next_delay(r, r->notices_delay_ms);
	poll_instead(r, r->notices_delay_ms,
	    "the connection for notices: %.200s", text);
}

static void
tracking_refused(struct redis *r, const struct redis_reply *reply)
{
	char text[REDIS_TEXT_MAX];

	if (reply_kind(reply) == REPLY_ERROR)
		redis_error_text(r, reply, text);
	else
		text_copy(text, sizeof(text), "strange answer");
	poll_instead(r, r->pace.tracking_again, "tracking is refused: %.150s",
	    text);
}

static void
notices_greeted_cb(void *ctx, void *arg, const struct redis_reply *reply)
{
	(void)arg;
	if (reply_kind(reply) == REPLY_ERROR)
		tracking_refused(ctx, reply);
}

/* Answers to the first SUBSCRIBE and to those that serve as heartbeat. */
static void
subscribe_cb(void *ctx, void *arg, const struct redis_reply *reply)
{
	struct redis *r = ctx;

	(void)arg;
	if (reply_count(reply) != 3 || strcmp(reply_text(reply_at(reply, 0),
	    NULL), "subscribe") != 0) {
		tracking_refused(r, reply);
		return;
	}
	if (r->subscribed)
		return;
	/* What changed before this moment was not announced. */
	r->subscribed = true;
	r->subscribed_ms = clock_mono_ms();
	r->way = WAY_TRACKING;
	redis_want_full_read(r);
}

static void
client_id_cb(void *ctx, void *arg, const struct redis_reply *reply)
{
	struct redis *r = ctx;
	char id[24];

	(void)arg;
	if (reply_kind(reply) != REPLY_INTEGER) {
		tracking_refused(r, reply);
		return;
	}
	snprintf(id, sizeof(id), "%lld", (long long)reply_integer(reply));
	redis_conn_sendl(r->notices, notices_greeted_cb, NULL, "CLIENT",
	    "TRACKING", "ON", "REDIRECT", id, "BCAST", "PREFIX",
	    r->override_prefix, NULL);
	redis_conn_sendl(r->notices, subscribe_cb, NULL, "SUBSCRIBE", CHANNEL,
	    NULL);
}

static void
notices_up(void *ctx)
{
	struct redis *r = ctx;

	greet(r, r->notices, notices_greeted_cb, notices_greeted_cb);
	redis_conn_sendl(r->notices, client_id_cb, NULL, "CLIENT", "ID",
	    NULL);
}

/* Usually an array of keys.  Nil stands for a database that was flushed,
 * and anything else is somebody's PUBLISH: look at everything. */
static void
notices_message(void *ctx, const struct redis_reply *payload)
{
	struct redis *r = ctx;
	const struct redis_reply *key;
	const char *name;
	size_t i, len;

	if (!r->ready)
		return;
	if (reply_kind(payload) != REPLY_ARRAY) {
		if (reply_kind(payload) == REPLY_NIL) {
			life_ask(r);
			mirror_unknown(r);
		}
		redis_want_full_read(r);
	}
	for (i = 0; i < reply_count(payload); i++) {
		key = reply_at(payload, i);
		name = reply_text(key, &len);
		overrides_notice(r, name, len);
	}
	redis_kick(r);
}

static const struct redis_conn_handlers notices_handlers = {
	.up = notices_up,
	.message = notices_message,
	.down = notices_down,
};

static void
open_notices(struct redis *r)
{
	r->subscribed = false;
	r->notices = open_conn(r, &notices_handlers);
}

static void
notices_timer_cb(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	open_notices(arg);
}

/* --- full reads -------------------------------------------------------- */

void
redis_want_full_read(struct redis *r)
{
	int64_t wait;

	if (!r->ready || r->way == WAY_NONE)
		return;
	if (r->o.full) {
		r->o.full_again = true;
		return;
	}
	/* Whoever can publish could keep us busy otherwise. */
	wait = r->o.full_since_ms + r->pace.full_gap - clock_mono_ms();
	if (r->o.full_since_ms != 0 && r->status == REDIS_CONNECTED &&
	    wait > 0)
		arm(r->read_timer, wait);
	else
		overrides_read_all(r);
}

static void
read_timer_cb(evutil_socket_t fd, short what, void *arg)
{
	struct redis *r = arg;

	(void)fd;
	(void)what;
	if (r->ready)
		overrides_read_all(r);
}

/* With very many overrides, or in a very large database, polling gets no
 * more than a fifth of the time. */
static int64_t
poll_wait(const struct redis *r)
{
	int64_t took = clock_mono_ms() - r->o.full_since_ms;

	return took * 4 > r->pace.poll ? took * 4 : r->pace.poll;
}

/* With tracking, a full read only finds what a notice did not tell.  It goes
 * over all keys, and there are as many as hosts: a fleet of hundreds that did
 * so at the usual pace would keep Redis busy with nothing else. */
static int64_t
read_wait(const struct redis *r)
{
	int64_t factor = r->o.scans / SCANS_FEW;

	if (r->way == WAY_POLLING)
		return poll_wait(r);
	return r->pace.full_read * (factor < 1 ? 1 :
	    factor > READ_FACTOR_MAX ? READ_FACTOR_MAX : factor);
}

/* Words stay in force that Redis does not have any more. */
static void
say_kept(struct redis *r, size_t kept)
{
	char text[REDIS_TEXT_MAX];

	snprintf(text, sizeof(text), "%s: %zu override%s that it had lost "
	    "stay%s in force and %s written back", r->life.happened, kept,
	    kept == 1 ? "" : "s", kept == 1 ? "s" : "",
	    kept == 1 ? "is" : "are");
	text_copy(r->why, sizeof(r->why), text);
	if (!r->draining)
		r->cbs.kept(r->ctx, text);
}

void
redis_memory_changed(struct redis *r)
{
	if (!r->draining)
		r->cbs.memory(r->ctx);
}

void
redis_read_done(struct redis *r, size_t kept)
{
	if (r->status != REDIS_CONNECTED || r->told_way != r->way) {
		/* One that dies young every time is not good. */
		if (r->flaps <= FLAPS_MAX)
			r->delay_ms = 0;
		say_connected(r);
	}
	if (kept > 0)
		say_kept(r, kept);
	if (r->o.full_again) {
		r->o.full_again = false;
		redis_want_full_read(r);
	} else {
		arm(r->read_timer, read_wait(r));
	}
}

/* --- the heartbeat ----------------------------------------------------- */

static void
tick_cb(evutil_socket_t fd, short what, void *arg)
{
	struct redis *r = arg;
	int64_t now = clock_mono_ms();
	bool quiet;

	(void)fd;
	(void)what;
	/* One that came and went stays as it is now: people should know. */
	if (r->flaps > 0 && now - r->since_ms >= r->pace.steady) {
		quiet = r->flaps > FLAPS_MAX;
		r->flaps = 0;
		if (quiet && r->status == REDIS_CONNECTED)
			say_connected(r);
		else if (quiet)
			say_down_still(r);
	}
	if (!r->ready)
		return;
	if (r->o.full && now - r->o.full_since_ms > r->pace.full_read_max) {
		redis_drop(r, "reading all overrides did not end within "
		    "%d s", r->pace.full_read_max / 1000);
		return;
	}
	redis_conn_sendl(r->data, NULL, NULL, "PING", NULL);
	/* A master may be made a replica and keep the connection. */
	redis_conn_sendl(r->data, role_cb, NULL, "ROLE", NULL);
	if (r->subscribed)
		redis_conn_sendl(r->notices, subscribe_cb, NULL, "SUBSCRIBE",
		    CHANNEL, NULL);
	overrides_tick(r, now);
	redis_kick(r);
}

/* --- the interface ----------------------------------------------------- */

static void
arm_tick(struct redis *r)
{
	struct timeval tv = { r->pace.heartbeat / 1000,
	    r->pace.heartbeat % 1000 * 1000 };

	event_add(r->tick, &tv);
}

static void
copy_conf(struct redis_conf *to, const struct redis_conf *from)
{
	*to = *from;
	to->prefix = xstrdup(from->prefix);
	to->username = xstrdup(from->username);
	to->password = NULL;		/* kept where it is used */
	to->password_file = xstrdup(from->password_file);
	to->tls.ca = xstrdup(from->tls.ca);
	to->tls.cert = xstrdup(from->tls.cert);
	to->tls.key = xstrdup(from->tls.key);
	to->tls.server_name = xstrdup(from->tls.server_name);
	to->master_name = xstrdup(from->master_name);
	to->sentinel_username = xstrdup(from->sentinel_username);
	to->sentinel_password = xstrdup(from->sentinel_password);
	to->sentinels = xcalloc(from->sentinel_count + 1,
	    sizeof(*to->sentinels));
	if (from->sentinel_count > 0)
		memcpy(to->sentinels, from->sentinels,
		    from->sentinel_count * sizeof(*to->sentinels));
}

static void
free_conf(struct redis_conf *c)
{
	free(c->prefix);
	free(c->username);
	free(c->password_file);
	free(c->tls.ca);
	free(c->tls.cert);
	free(c->tls.key);
	free(c->tls.server_name);
	free(c->master_name);
	free(c->sentinel_username);
	free(c->sentinel_password);
	free(c->sentinels);
}

struct redis *
redis_new(struct event_base *base, const struct redis_conf *conf,
    const char *host, const char *version, const struct redis_callbacks *cbs,
    void *ctx)
{
	struct redis *r = xcalloc(1, sizeof(*r));

	r->base = base;
	r->cbs = *cbs;
	r->ctx = ctx;
	copy_conf(&r->conf, conf);
	r->password = xstrdup(conf->password);
	r->at = conf->server;
	r->override_prefix = xasprintf("%soverride:", conf->prefix);
	r->host = xstrdup(host);
	r->version = xstrdup(version);
	r->pace = PACE;
	endpoint_text(&conf->server, r->server);
	text_copy(r->why, sizeof(r->why), "not connected yet");
	overrides_init(r);
	mirror_init(r);
	r->connect_timer = event_new(base, -1, 0, connect_cb, r);
	r->read_timer = event_new(base, -1, 0, read_timer_cb, r);
	r->notices_timer = event_new(base, -1, 0, notices_timer_cb, r);
	r->pump = event_new(base, -1, 0, pump_cb, r);
	r->tick = event_new(base, -1, EV_PERSIST, tick_cb, r);
	if (r->connect_timer == NULL || r->read_timer == NULL ||
	    r->notices_timer == NULL || r->pump == NULL || r->tick == NULL)
		fatalx("out of memory");
	start_sentinel(r);
	arm(r->connect_timer, 0);
	arm_tick(r);
	return r;
}

void
redis_set_pace(struct redis *r, const struct redis_pace *pace)
{
	r->pace = *pace;
	if (r->sentinel != NULL)
		sentinel_pace(r->sentinel, pace->poll, pace->retry_max,
		    pace->heartbeat);
	arm_tick(r);
}

/* While draining: sends on what is left.  True when nothing is. */
static bool
drained(void *ctx)
{
	struct redis *r = ctx;

	pump(r);
	return !r->ready || (!overrides_pending(r) && !mirror_pending(r) &&
	    !sharing_pending(r));
}

void
redis_finish(struct redis *r, int wait_ms)
{
	r->draining = true;
	sharing_release(r);
	if (r->ready && wait_ms > 0)
		redis_conn_drain(r->data, wait_ms, drained);
	close_all(r);
}

void
redis_free(struct redis *r)
{
	if (r == NULL)
		return;
	r->draining = true;
	close_all(r);
	overrides_clear(r);
	mirror_clear(r);
	fleet_clear(r);
	sharing_clear(r);
	event_free(r->connect_timer);
	event_free(r->read_timer);
	event_free(r->notices_timer);
	event_free(r->pump);
	event_free(r->tick);
	sentinel_free(r->sentinel);
	free_conf(&r->conf);
	free(r->password);
	free(r->override_prefix);
	free(r->host);
	free(r->version);
	free(r);
}

char *
redis_memory(const struct redis *r)
{
	struct evbuffer *out = evbuffer_new();
	char *text;
	size_t len;

	if (out == NULL)
		fatalx("out of memory");
	if (r->life.settled[0] != '\0')
		evbuffer_add_printf(out, "life %s\n", r->life.settled);
	overrides_memory(r, out);
	len = evbuffer_get_length(out);
	text = xcalloc(len + 1, 1);
	evbuffer_remove(out, text, len);
	evbuffer_free(out);
	return text;
}

void
redis_remember(struct redis *r, const char *memory)
{
	char *copy = xstrdup(memory), *rest = copy, *line;

	while ((line = strsep(&rest, "\n")) != NULL) {
		if (strncmp(line, "life ", 5) == 0)
			life_remember(r, line + 5);
		else if (strncmp(line, "remove ", 7) == 0 ||
		    strncmp(line, "write ", 6) == 0)
			overrides_remember(r, line);
	}
	free(copy);
}

enum redis_status
redis_state(const struct redis *r, const char **why, const char **way)
{
	const struct redis_lane *lanes[] = {
		&r->o.lane, &r->m.lane, &r->m.event_lane,
	};
	size_t i;

	*why = r->why;
	*way = way_name(r->way);
	for (i = 0; r->status == REDIS_CONNECTED &&
	    i < sizeof(lanes) / sizeof(lanes[0]); i++) {
		if (lanes[i]->refused) {
			*why = lanes[i]->why;
			break;
		}
	}
	return r->status;
}
