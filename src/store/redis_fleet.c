/*
 * redis_fleet.c - the other hosts: what each of them is and has seen
 *
 * Every host renews node:<host>, which is gone soon after the host, and its
 * place in the sorted set `nodes`, which stays for some days.  An operator
 * wants to know whether his word has reached everybody; so a host also
 * writes a mark for each override that it knows, as far as they are few, and
 * one number for all of them.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "store/redis_parts.h"

#define NODE_EXPIRE	"30"		/* seconds */
#define NODE_FORGET	(7 * 86400)	/* seconds, of `nodes` */
#define NODES_MAX	1000
#define GAP_MS		100		/* between two renewals */
#define FRESH_MS	500		/* not asked again so soon */

uint32_t
redis_word_mark(const struct override *o)
{
	char normal[BOARD_NAME_MAX];
	uint64_t hash;

	override_normal_target(o->target, normal);
	hash = table_hash(0, normal, strlen(normal) + 1);
	hash = table_hash(hash, word_name(o->word),
	    strlen(word_name(o->word)) + 1);
	hash = table_hash(hash, o->reason, strlen(o->reason));
	return (uint32_t)(hash ^ hash >> 32);
}

/* --- our own ----------------------------------------------------------- */

/* An answer to HSET, of which EXEC made an array. */
static void
node_cb(void *ctx, void *arg, const struct redis_reply *reply)
{
	struct redis *r = ctx;
	char error[REDIS_TEXT_MAX];

	(void)arg;
	if (reply_count(reply) == 0) {
		r->f.node_written = false;
		redis_error_text(r, reply, error);
		if (!redis_hopeless(r, error))
			log_debug("redis %s: node:%s: %s", r->server,
			    r->host, error);
		return;
	}
	r->f.known = reply_integer(reply_at(reply, 4));
	/* What was written and renewed in time is gone: the database was
	 * emptied, and the rest of ours with it. */
	if (r->f.node_written &&
	    reply_integer(reply_at(reply, 0)) > 0) {
		log_info("redis %s: what was written is gone, writing it "
		    "again", r->server);
		life_ask(r);
		mirror_unknown(r);
	}
	r->f.node_written = true;
}

static void
send_node(struct redis *r)
{
	char *key = xasprintf("%snode:%s", r->conf.prefix, r->host);
	char *nodes = xasprintf("%snodes", r->conf.prefix);
	char started[24], now[24], old[24], count[24], all[24];
	char leases[24];
	struct redis_seen seen = { 0 };
	int64_t wall = clock_wall_ms() / 1000;
	char words[REDIS_MARKS_MAX * 9 + 1] = "";
	size_t i, len = 0;

	overrides_seen(r, &seen);
	for (i = 0; i < seen.mark_count; i++)
		len += (size_t)snprintf(words + len, sizeof(words) - len,
		    "%s%08" PRIx32, i > 0 ? " " : "", seen.marks[i]);
	snprintf(started, sizeof(started), "%lld", (long long)r->m.started);
	snprintf(now, sizeof(now), "%lld", (long long)wall);
	snprintf(old, sizeof(old), "%lld", (long long)(wall - NODE_FORGET));
	snprintf(count, sizeof(count), "%zu", seen.count);
	snprintf(leases, sizeof(leases), "%zu", sharing_held(r));
	snprintf(all, sizeof(all), "%016" PRIx64, seen.all);
	redis_conn_sendl(r->data, NULL, NULL, "MULTI", NULL);
	redis_conn_sendl(r->data, NULL, NULL, "HSET", key, "version",
	    r->version, "started", started, "mode", r->m.mode, "config",
	    r->f.config, "overrides", count, "all", all, "words", words,
	    "leases", leases, NULL);
	redis_conn_sendl(r->data, NULL, NULL, "EXPIRE", key, NODE_EXPIRE,
	    NULL);
	redis_conn_sendl(r->data, NULL, NULL, "ZADD", nodes, now, r->host,
	    NULL);
	redis_conn_sendl(r->data, NULL, NULL, "ZREMRANGEBYSCORE", nodes,
	    "-inf", old, NULL);
	redis_conn_sendl(r->data, NULL, NULL, "ZCARD", nodes, NULL);
	redis_conn_sendl(r->data, node_cb, NULL, "EXEC", NULL);
	free(key);
	free(nodes);
}

void
fleet_pump(struct redis *r)
{
	int64_t now = clock_mono_ms();

	if (r->f.node_ms != 0 && now < r->f.node_ms)
		return;
	if (r->f.node_sent_ms != 0 && now < r->f.node_sent_ms + GAP_MS) {
		redis_kick_in(r, r->f.node_sent_ms + GAP_MS - now);
		return;
	}
	r->f.node_ms = now + r->pace.node;
	r->f.node_sent_ms = now;
	send_node(r);
}

void
fleet_changed(struct redis *r)
{
	r->f.node_ms = 0;
	redis_kick(r);
}

void
fleet_unknown(struct redis *r)
{
	r->f.node_ms = 0;
	r->f.node_written = false;
}

/* --- the others -------------------------------------------------------- */

static void
text_of(const struct redis_reply *reply, size_t i, char *buf, size_t size)
{
	size_t len;
	const char *text = reply_text(reply_at(reply, i), &len);

	text_clean(buf, size, text, len);
}

static void
read_marks(struct redis_node *n, const char *text)
{
	char *end;

	while (n->seen.mark_count < REDIS_MARKS_MAX) {
		n->seen.marks[n->seen.mark_count] =
		    (uint32_t)strtoul(text, &end, 16);
		if (end == text)
			break;
		n->seen.mark_count++;
		text = end;
	}
}

static void
found_cb(void *ctx, void *arg, const struct redis_reply *reply)
{
	struct redis *r = ctx;
	struct redis_fleet *f = &r->f;
	struct redis_node *n = &f->next[f->found++];
	char number[24];

	(void)arg;
	/* The fields in the order of read_node(). */
	if (reply_count(reply) == 8 &&
	    reply_kind(reply_at(reply, 0)) == REPLY_STRING) {
		n->alive = true;
		text_of(reply, 0, n->version, sizeof(n->version));
		text_of(reply, 1, number, sizeof(number));
		n->started_ms = strtoll(number, NULL, 10) * 1000;
		text_of(reply, 2, n->mode, sizeof(n->mode));
		text_of(reply, 3, n->config, sizeof(n->config));
		text_of(reply, 4, number, sizeof(number));
		n->seen.count = strtoull(number, NULL, 10);
		text_of(reply, 5, number, sizeof(number));
		n->seen.all = strtoull(number, NULL, 16);
		read_marks(n, reply_text(reply_at(reply, 6), NULL));
		text_of(reply, 7, number, sizeof(number));
		n->leases = strtoull(number, NULL, 10);
	}
	if (f->found < f->next_count)
		return;
	free(f->nodes);
	f->nodes = f->next;
	f->node_count = f->next_count;
	f->next = NULL;
	f->asking = false;
	f->read_ms = clock_mono_ms();
}

static void
read_node(struct redis *r, const char *host)
{
	char *key = xasprintf("%snode:%s", r->conf.prefix, host);

	redis_conn_sendl(r->data, found_cb, NULL, "HMGET", key, "version",
	    "started", "mode", "config", "overrides", "all", "words", "leases",
	    NULL);
	free(key);
}

static void
nodes_cb(void *ctx, void *arg, const struct redis_reply *reply)
{
	struct redis *r = ctx;
	struct redis_fleet *f = &r->f;
	char error[REDIS_TEXT_MAX];
	size_t i, count = reply_count(reply);

	(void)arg;
	if (count == 0 || count > NODES_MAX) {
		f->asking = false;
		if (reply_kind(reply) == REPLY_ERROR &&
		    !redis_hopeless(r, redis_error_text(r, reply, error)))
			log_debug("redis %s: nodes: %s", r->server, error);
		return;
	}
	f->next = xcalloc(count, sizeof(*f->next));
	f->next_count = count;
	f->found = 0;
	for (i = 0; i < count; i++) {
		text_of(reply, i, f->next[i].host, sizeof(f->next[i].host));
		read_node(r, reply_text(reply_at(reply, i), NULL));
	}
}

const struct redis_node *
redis_fleet(struct redis *r, size_t *count, int64_t *age_ms)
{
	struct redis_fleet *f = &r->f;
	int64_t now = clock_mono_ms();
	char *key;

	if (r->ready && !f->asking && !r->draining &&
	    (f->read_ms == 0 || now - f->read_ms > FRESH_MS)) {
		f->asking = true;
		key = xasprintf("%snodes", r->conf.prefix);
		redis_conn_sendl(r->data, nodes_cb, NULL, "ZRANGE", key, "0",
		    "-1", NULL);
		free(key);
	}
	*count = f->node_count;
	*age_ms = f->read_ms == 0 ? -1 : now - f->read_ms;
	return f->nodes;
}

void
redis_own_node(struct redis *r, struct redis_node *out)
{
	*out = (struct redis_node){ .alive = true };
	text_copy(out->host, sizeof(out->host), r->host);
	text_copy(out->config, sizeof(out->config), r->f.config);
	overrides_seen(r, &out->seen);
	out->leases = sharing_held(r);
}

void
redis_set_config(struct redis *r, uint64_t rules)
{
	snprintf(r->f.config, sizeof(r->f.config), "%08" PRIx32,
	    (uint32_t)(rules ^ rules >> 32));
	fleet_changed(r);
}

void
fleet_lost(struct redis *r)
{
	free(r->f.next);
	r->f.next = NULL;
	r->f.asking = false;
	r->f.node_sent_ms = 0;
}

void
fleet_clear(struct redis *r)
{
	free(r->f.next);
	free(r->f.nodes);
}
