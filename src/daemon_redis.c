/*
 * daemon_redis.c - mailbraked and its Redis: what it hears there
 */
#include "daemon.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"

#define REDIS_HELLO_MS	1000

static void
misread(struct daemon *d, const char *target, const char *text)
{
	misread_add(&d->misreads, target, text);
	board_note(d->board, EVENT_NOTE, clock_wall_ms(), "Redis: %s", text);
}

static void
redis_override_cb(void *ctx, const struct override *o)
{
	struct daemon *d = ctx;
	char target[BOARD_NAME_MAX], text[2 * BOARD_NAME_MAX];
	const char *why;

	misread_remove(&d->misreads, o->target);
	if (!board_override(d->board, o, clock_wall_ms(), &why) &&
	    o->word != WORD_NONE) {
		snprintf(text, sizeof(text), "override:%s changes nothing: "
		    "the target %s", text_clean(target, sizeof(target),
		    o->target, strlen(o->target)), why);
		misread(d, o->target, text);
	}
	daemon_settle_soon(d);
}

static void
redis_bad_cb(void *ctx, const char *target, const char *value)
{
	struct daemon *d = ctx;
	char text[2 * BOARD_NAME_MAX];

	snprintf(text, sizeof(text), "override:%s is not understood and "
	    "changes nothing: \"%s\"; write \"stop\" or \"send\", then a "
	    "reason if you like", target, value);
	misread(d, target, text);
	daemon_settle_soon(d);
}

static void
redis_status_cb(void *ctx, enum redis_status status, const char *why)
{
	struct daemon *d = ctx;
	struct board_event e = { .kind = EVENT_NOTE, .at_ms = clock_wall_ms() };

	d->redis_said = true;
	/* The store has logged it; this is for the time line. */
	if (status == REDIS_CONNECTED)
		snprintf(e.text, sizeof(e.text), "Redis: %s", why);
	else
		snprintf(e.text, sizeof(e.text), "Redis: not connected, "
		    "overrides and states go on as they are known here%s%s",
		    why[0] != '\0' ? ": " : "", why);
	daemon_show_event(d, &e);
}

static void
redis_kept_cb(void *ctx, const char *text)
{
	struct daemon *d = ctx;

	board_note(d->board, EVENT_NOTE, clock_wall_ms(), "Redis: %s", text);
	daemon_settle_soon(d);
}

static void
redis_memory_cb(void *ctx)
{
	daemon_settle_soon(ctx);
}

static void
redis_shared_cb(void *ctx)
{
	daemon_settle_soon(ctx);
}

static const struct redis_callbacks redis_calls = {
	.override = redis_override_cb,
	.bad_override = redis_bad_cb,
	.status = redis_status_cb,
	.kept = redis_kept_cb,
	.memory = redis_memory_cb,
	.shared = redis_shared_cb,
};

void
daemon_start_redis(struct daemon *d)
{
	const struct config *c = d->conf;
	struct redis_conf rc = { .server = c->redis_server,
	    .prefix = c->redis_prefix, .username = c->redis_username,
	    .password = c->redis_password,
	    .password_file = c->redis_password_file,
	    .database = c->redis_database, .use_tls = c->redis_tls,
	    .tls = { .ca = c->redis_tls_ca, .cert = c->redis_tls_cert,
	    .key = c->redis_tls_key,
	    .server_name = c->redis_tls_server_name,
	    .verify = c->redis_tls_verify },
	    .sentinels = c->redis_sentinels,
	    .sentinel_count = c->redis_sentinel_count,
	    .master_name = c->redis_master_name,
	    .sentinel_username = c->redis_sentinel_username,
	    .sentinel_password = c->redis_sentinel_password };
	size_t i;

	if (!c->has_redis)
		return;
	d->redis = redis_new(d->base, &rc, d->host, PACKAGE_VERSION,
	    &redis_calls, d);
	if (c->redis_share)
		redis_set_share(d->redis, d->share);
	redis_set_config(d->redis, policy_rules_hash(c->policy));
	if (d->redis_memory != NULL)
		redis_remember(d->redis, d->redis_memory);
	/* What was set here while Redis was off goes there; what came from
	 * there may have been removed there since. */
	for (i = 0; i < board_override_count(d->board); i++) {
		const struct override *o = board_get_override(d->board, i);

		if (strcmp(o->source, "control") == 0)
			redis_put_override(d->redis, o, clock_wall_ms());
		else
			redis_expect_override(d->redis, o);
	}
}

/*
 * A stop that is in Redis and not in the state file, because it was set while
 * we were not there or because we were killed at the wrong moment, is heard
 * before the first question is answered and before a gate is opened.  A Redis
 * that does not answer is not waited for.
 */
void
daemon_hear_redis(struct daemon *d)
{
	int64_t until_ms = clock_mono_ms() + REDIS_HELLO_MS, left;

	while (d->redis != NULL && !d->redis_said &&
	    (left = until_ms - clock_mono_ms()) > 0) {
		/* So that the loop comes back; there is no board to tick. */
		struct timeval tv = { left / 1000, (left % 1000) * 1000 };

		event_add(d->tick, &tv);
		event_base_loop(d->base, EVLOOP_ONCE);
	}
}

static bool
same_sentinels(const struct config *a, const struct config *b)
{
	size_t i;

	if (a->redis_sentinel_count != b->redis_sentinel_count)
		return false;
	for (i = 0; i < a->redis_sentinel_count; i++) {
		if (!endpoint_same(&a->redis_sentinels[i],
		    &b->redis_sentinels[i]))
			return false;
	}
	return text_same(a->redis_master_name, b->redis_master_name) &&
	    text_same(a->redis_sentinel_username,
	    b->redis_sentinel_username) &&
	    text_equal(a->redis_sentinel_password,
	    b->redis_sentinel_password);
}

bool
daemon_same_redis(const struct config *a, const struct config *b)
{
	return a->has_redis == b->has_redis && (!a->has_redis ||
	    (endpoint_same(&a->redis_server, &b->redis_server) &&
	    text_same(a->redis_username, b->redis_username) &&
	    strcmp(a->redis_prefix, b->redis_prefix) == 0 &&
	    text_equal(a->redis_password, b->redis_password) &&
	    text_equal(a->redis_password_file, b->redis_password_file) &&
	    a->redis_database == b->redis_database &&
	    a->redis_share == b->redis_share &&
	    a->redis_tls == b->redis_tls &&
	    a->redis_tls_verify == b->redis_tls_verify &&
	    text_equal(a->redis_tls_ca, b->redis_tls_ca) &&
	    text_equal(a->redis_tls_cert, b->redis_tls_cert) &&
	    text_equal(a->redis_tls_key, b->redis_tls_key) &&
	    text_equal(a->redis_tls_server_name, b->redis_tls_server_name) &&
	    same_sentinels(a, b)));
}
