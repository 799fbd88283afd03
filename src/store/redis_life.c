/*
 * redis_life.c - are these still the same data?
 *
 * A key that is gone was removed by somebody who wanted that, or it was lost
 * with all the others: by a flush, an empty start, a replica that had not
 * got the last writes before it took over, an eviction.  Only the first may
 * end an override.  What tells them apart:
 *
 *   - a mark of our own in the data (the key `life`, a random text that the
 *     first of us writes): gone or another after a flush or an exchange;
 *   - run_id and master_replid of the server: other ones after a restart, a
 *     fail-over and a resynchronisation;
 *   - the number of keys that the server has evicted.
 *
 * All of them together name one life of the data.  They are asked for on
 * connecting, and after something was found missing: a mark that is still
 * there then was there all the time, because nobody writes the same again.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "store/redis_parts.h"

#define MARK_BYTES	12

/* The value of "name:value\r\n" in the answer to INFO, cleaned; "" if it
 * does not stand there. */
static void
info_field(const char *info, const char *name, char *buf, size_t size)
{
	size_t len = strlen(name);
	const char *p = info;

	buf[0] = '\0';
	while ((p = strstr(p, name)) != NULL) {
		if ((p == info || p[-1] == '\n') && p[len] == ':') {
			p += len + 1;
			text_clean(buf, size, p, strcspn(p, "\r\n"));
			return;
		}
		p += len;
	}
}

void
life_info(struct redis *r, const char *info)
{
	struct redis_life *l = &r->life;
	char run[64], replid[64], evicted[24];

	info_field(info, "run_id", run, sizeof(run));
	info_field(info, "master_replid", replid, sizeof(replid));
	info_field(info, "evicted_keys", evicted, sizeof(evicted));
	info_field(info, "maxmemory_policy", l->eviction,
	    sizeof(l->eviction));
	/* Where it is not told, a life is as long as the connection. */
	if (run[0] == '\0')
		snprintf(run, sizeof(run), "connection-%u", l->connection);
	snprintf(l->run, sizeof(l->run), "%s/%s", run, replid);
	text_copy(l->evicted, sizeof(l->evicted), evicted);
}

/* Why the life is another one than that of was, for people. */
static const char *
what_happened(const struct redis_life *l)
{
	if (l->mark[0] == '\0')
		return "it cannot be told what became of its data";
	if (l->was_mark[0] == '\0')
		return "it is not known whether these are the same data";
	if (strcmp(l->mark, l->was_mark) != 0)
		return "its data were flushed, lost or replaced";
	if (strcmp(l->run, l->was_run) != 0)
		return "it was restarted or has failed over";
	return "it evicts keys";
}

static void
mark_cb(void *ctx, void *arg, const struct redis_reply *reply)
{
	struct redis *r = ctx;
	struct redis_life *l = &r->life;
	char error[REDIS_TEXT_MAX];
	const char *mark;
	size_t len;
	bool same;

	(void)arg;
	l->asked = false;
	if (reply_kind(reply) == REPLY_ERROR) {
		redis_error_text(r, reply, error);
		if (redis_hopeless(r, error))
			return;
	}
	mark = reply_kind(reply) == REPLY_STRING ? reply_text(reply, &len) :
	    "";
	text_clean(l->mark, sizeof(l->mark), mark, strlen(mark));
	if (l->mark[0] == '\0' && !l->said_no_mark) {
		l->said_no_mark = true;
		log_warnx("redis %s: %slife cannot be written%s%s: an "
		    "override that is removed there cannot be told from one "
		    "that was lost, so it stays; \"mailbrake auto\" removes "
		    "it", r->server, r->conf.prefix, l->refused[0] != '\0' ?
		    ": " : "", l->refused);
	}
	same = l->mark[0] != '\0' && strcmp(l->mark, l->was_mark) == 0 &&
	    strcmp(l->run, l->was_run) == 0 &&
	    strcmp(l->evicted, l->was_evicted) == 0;
	if (!same) {
		l->happened = what_happened(l);
		text_copy(l->was_mark, sizeof(l->was_mark), l->mark);
		text_copy(l->was_run, sizeof(l->was_run), l->run);
		text_copy(l->was_evicted, sizeof(l->was_evicted),
		    l->evicted);
	}
	if (!r->ready)
		redis_greeted(r);
	overrides_judged(r, same);
	if (!same) {
		mirror_unknown(r);
		redis_want_full_read(r);
	}
}

static void
set_cb(void *ctx, void *arg, const struct redis_reply *reply)
{
	struct redis *r = ctx;

	(void)arg;
	r->life.refused[0] = '\0';
	if (reply_kind(reply) == REPLY_ERROR)
		redis_error_text(r, reply, r->life.refused);
}

void
life_ask_mark(struct redis *r)
{
	unsigned char random[MARK_BYTES];
	char mark[MARK_BYTES * 2 + 1];
	char *key = xasprintf("%slife", r->conf.prefix);
	size_t i;

	evutil_secure_rng_get_bytes(random, sizeof(random));
	for (i = 0; i < sizeof(random); i++)
		snprintf(mark + i * 2, 3, "%02x", random[i]);
	r->life.asked = true;
	redis_conn_sendl(r->data, set_cb, NULL, "SET", key, mark, "NX", NULL);
	redis_conn_sendl(r->data, mark_cb, NULL, "GET", key, NULL);
	free(key);
}

static void
info_cb(void *ctx, void *arg, const struct redis_reply *reply)
{
	struct redis *r = ctx;
	char error[REDIS_TEXT_MAX];

	(void)arg;
	if (reply_kind(reply) != REPLY_ERROR)
		life_info(r, reply_text(reply, NULL));
	else
		redis_hopeless(r, redis_error_text(r, reply, error));
}

void
life_ask(struct redis *r)
{
	if (r->life.asked)
		return;
	redis_conn_sendl(r->data, info_cb, NULL, "INFO", NULL);
	life_ask_mark(r);
}

void
life_lost(struct redis *r)
{
	r->life.asked = false;
	r->life.said_no_mark = false;
	r->life.connection++;
}

/* --- from one run of the daemon to the next ---------------------------- */

void
life_remember(struct redis *r, const char *text)
{
	struct redis_life *l = &r->life;

	sscanf(text, "%127s %47s %23s", l->was_run, l->was_mark,
	    l->was_evicted);
	snprintf(l->settled, sizeof(l->settled), "%s %s %s", l->was_run,
	    l->was_mark, l->was_evicted);
}

bool
life_settled(struct redis *r)
{
	struct redis_life *l = &r->life;
	char now[sizeof(l->settled)];

	if (l->was_mark[0] == '\0' || l->was_evicted[0] == '\0' ||
	    strncmp(l->was_run, "connection-", 11) == 0)
		now[0] = '\0';	/* nothing to know it again by */
	else
		snprintf(now, sizeof(now), "%s %s %s", l->was_run,
		    l->was_mark, l->was_evicted);
	if (strcmp(now, l->settled) == 0)
		return false;
	text_copy(l->settled, sizeof(l->settled), now);
	return true;
}
