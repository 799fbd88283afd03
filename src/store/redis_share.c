/*
 * redis_share.c - leases, and what their holders found
 *
 *	lease:<subject>	"<host> <fence>", and the name of another host that
 *			would have liked it; gone soon after its holder
 *	fence		counts the leases ever given
 *	sweep:<host>	what it found, see core/share_text.c
 *
 * Some times in each beat every host renews its leases, tries to get the
 * others, reads what their holders wrote, and writes its own.  A script
 * does it for many leases at a time, so that a lease is not renewed that is
 * another's by now.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "core/share.h"
#include "store/redis_parts.h"

#define BATCH		100		/* leases in one script */
#define LEASE_TURNS	2	/* readings for each renewal */
#define TEXT_MAX	(512 * 1024)	/* of one host */
#define TEXT_EXPIRE	"900000"	/* ms */
#define AGAIN_MS	60000		/* after it was refused */
#define SAY_MS		60000		/* between two lines of the log */
/* A host that is alone spares Redis the leases of thousands. */
#define ALONE_MAX	1000

/* KEYS: fence, leases.  ARGV: this host, ms, "1" if it wants them.  What
 * was not understood is replaced; what is no string is left alone. */
static const char SCRIPT[] =
    "local out = {} "
    "for i = 2, #KEYS do "
    " local k, was = KEYS[i], redis.pcall('GETRANGE', KEYS[i], 0, 599) "
    " out[i - 1] = '' "
    " if type(was) == 'string' then "
    "  local host, fence, asker = "
    "   string.match(was, '^(%S+) (%d+) ?(%S*)$') "
    "  if host and host ~= ARGV[1] then "
    "   local ttl = redis.call('PTTL', k) "
    "   if asker == '' or ttl < 0 then "
    "    redis.call('SET', k, host .. ' ' .. fence .. ' ' .. ARGV[1], "
    "     'PX', ttl > 0 and ttl or ARGV[2]) "
    "   end "
    "   out[i - 1] = was "
    "  elseif ARGV[3] == '1' then "
    "   if not host then "
    "    fence = redis.call('INCR', KEYS[1]) "
    "    was = ARGV[1] .. ' ' .. fence "
    "   end "
    "   redis.call('SET', k, ARGV[1] .. ' ' .. fence, 'PX', ARGV[2]) "
    "   out[i - 1] = was "
    "  elseif host then "
    "   redis.call('DEL', k) "
    "  end "
    " end "
    "end "
    "return out";

static void
arm(struct redis *r, int64_t ms)
{
	struct timeval tv = { ms / 1000, ms % 1000 * 1000 };

	event_add(r->s.timer, &tv);
}

/* --- what goes wrong --------------------------------------------------- */

static void
forget_tick(struct redis_sharing *s)
{
	size_t i;

	for (i = 0; i < s->peer_count; i++)
		free(s->peers[i]);
	free(s->peers);
	s->peers = NULL;
	s->peer_count = s->leases_open = s->reads_open = 0;
}

static void
refused(struct redis *r, const struct redis_reply *reply)
{
	struct redis_sharing *s = &r->s;
	char error[REDIS_TEXT_MAX];

	redis_error_text(r, reply, error);
	if (redis_hopeless(r, error))
		return;
	if (strcmp(error, s->why) != 0)
		log_warnx("redis %s: no leases: %s; this host asks all lists "
		    "itself", r->server, error);
	text_copy(s->why, sizeof(s->why), error);
	s->again_ms = clock_mono_ms() + AGAIN_MS;
	share_lost(s->share);
}

void
sharing_lost(struct redis *r)
{
	forget_tick(&r->s);
	r->s.turn = 0;
	r->s.why[0] = '\0';
	r->s.again_ms = 0;
	if (r->s.share != NULL)
		share_lost(r->s.share);
}

/* --- what other hosts found -------------------------------------------- */

static void
say_count(struct redis *r)
{
	struct redis_sharing *s = &r->s;
	int64_t now = clock_mono_ms();
	size_t held, left;

	share_count(s->share, now, &held, &left);
	if (left == s->said_left ||
	    (s->said_ms != 0 && now - s->said_ms < SAY_MS))
		return;
	s->said_left = left;
	s->said_ms = now;
	log_info("redis %s: of the addresses and domains here other hosts "
	    "ask the lists about %zu, this one about %zu", r->server, left,
	    share_subject_count(s->share) - left);
}

static void
read_done(struct redis *r)
{
	if (--r->s.reads_open > 0)
		return;
	forget_tick(&r->s);
	say_count(r);
	r->cbs.shared(r->ctx);
}

static void
sweep_cb(void *ctx, void *arg, const struct redis_reply *reply)
{
	struct redis *r = ctx;
	struct redis_sharing *s = &r->s;

	if (s->generation == share_generation(s->share))
		share_read(s->share, s->peers[(uintptr_t)arg],
		    reply_text(reply, NULL), clock_mono_ms());
	read_done(r);
}

static void
read_range(struct redis *r, size_t peer, const char *last,
    redis_reply_cb *cb)
{
	char *key = xasprintf("%ssweep:%s", r->conf.prefix,
	    r->s.peers[peer]);

	redis_conn_sendl(r->data, cb, (void *)(uintptr_t)peer, "GETRANGE",
	    key, "0", last, NULL);
	free(key);
}

/* The first line tells whether there is anything new. */
static void
head_cb(void *ctx, void *arg, const struct redis_reply *reply)
{
	struct redis *r = ctx;
	struct redis_sharing *s = &r->s;
	size_t peer = (uintptr_t)arg;
	char head[SHARE_AT_MAX], last[24];

	text_copy(head, sizeof(head), reply_kind(reply) == REPLY_STRING ?
	    reply_text(reply, NULL) : "");
	head[strcspn(head, "\n")] = '\0';
	if (s->generation != share_generation(s->share)) {
		read_done(r);
	} else if (strcmp(head, share_peer_at(s->share, s->peers[peer])) ==
	    0) {
		share_read_same(s->share, s->peers[peer], clock_mono_ms());
		read_done(r);
	} else {
		snprintf(last, sizeof(last), "%d", TEXT_MAX - 1);
		read_range(r, peer, last, sweep_cb);
	}
}

static void
read_peers(struct redis *r)
{
	struct redis_sharing *s = &r->s;
	char last[24];
	size_t i;

	s->peer_count = share_peer_count(s->share);
	s->peers = xcalloc(s->peer_count + 1, sizeof(*s->peers));
	for (i = 0; i < s->peer_count; i++)
		s->peers[i] = xstrdup(share_peer(s->share, i));
	snprintf(last, sizeof(last), "%d", SHARE_AT_MAX - 1);
	s->reads_open = s->peer_count + 1;
	for (i = 0; i < s->peer_count; i++)
		read_range(r, i, last, head_cb);
	read_done(r);
}

/* --- what this host found ---------------------------------------------- */

static void
written_cb(void *ctx, void *arg, const struct redis_reply *reply)
{
	struct redis *r = ctx;

	(void)arg;
	if (reply_kind(reply) == REPLY_ERROR)
		refused(r, reply);
}

static void
write_sweep(struct redis *r)
{
	char *text = share_write(r->s.share, clock_mono_ms()), *key;

	if (text == NULL)
		return;
	/* Too much for others to read: they ask themselves. */
	if (strlen(text) < TEXT_MAX) {
		key = xasprintf("%ssweep:%s", r->conf.prefix,
		    share_host(r->s.share));
		redis_conn_sendl(r->data, written_cb, NULL, "SET", key, text,
		    "PX", TEXT_EXPIRE, NULL);
		free(key);
	}
	free(text);
}

/* --- leases ------------------------------------------------------------ */

static void
leases_cb(void *ctx, void *arg, const struct redis_reply *reply)
{
	struct redis *r = ctx;
	struct redis_sharing *s = &r->s;
	size_t i, first = (uintptr_t)arg;

	s->leases_open--;
	if (reply_kind(reply) == REPLY_ERROR) {
		refused(r, reply);
		return;
	}
	if (s->generation == share_generation(s->share)) {
		for (i = 0; i < reply_count(reply) &&
		    first + i < share_subject_count(s->share); i++)
			share_lease(s->share, first + i, reply_text(
			    reply_at(reply, i), NULL), s->sent_ms);
	}
	if (s->leases_open > 0 || r->draining)
		return;
	if (s->again_ms <= clock_mono_ms()) {
		s->why[0] = '\0';
		write_sweep(r);
		read_peers(r);
	}
}

static void
send_leases(struct redis *r, bool want)
{
	struct redis_sharing *s = &r->s;
	size_t i, k, argc, count = share_subject_count(s->share);
	const char *argv[BATCH + 7];
	char *keys[BATCH + 1], number[16], ms[16];

	s->generation = share_generation(s->share);
	s->sent_ms = clock_mono_ms();
	snprintf(ms, sizeof(ms), "%d", share_lease_ms(s->share));
	for (i = 0; i < count; i += BATCH) {
		argc = 0;
		argv[argc++] = "EVAL";
		argv[argc++] = SCRIPT;
		argv[argc++] = number;
		keys[0] = xasprintf("%sfence", r->conf.prefix);
		argv[argc++] = keys[0];
		for (k = 0; k < BATCH && i + k < count; k++) {
			keys[k + 1] = xasprintf("%slease:%s", r->conf.prefix,
			    share_subject(s->share, i + k));
			argv[argc++] = keys[k + 1];
		}
		snprintf(number, sizeof(number), "%zu", k + 1);
		argv[argc++] = share_host(s->share);
		argv[argc++] = ms;
		argv[argc++] = want ? "1" : "0";
		s->leases_open++;
		redis_conn_send(r->data, leases_cb, (void *)(uintptr_t)i,
		    argc, argv);
		for (k++; k > 0; k--)
			free(keys[k - 1]);
	}
}

static void
timer_cb(evutil_socket_t fd, short what, void *arg)
{
	struct redis *r = arg;
	struct redis_sharing *s = &r->s;
	int64_t now = clock_mono_ms();

	(void)fd;
	(void)what;
	arm(r, share_ready(s->share) ? share_tick_ms(s->share) :
	    SHARE_TICK_MIN_MS);
	share_tick(s->share, now);
	if (!share_ready(s->share) || !r->ready || r->draining || now < s->again_ms ||
	    s->leases_open + s->reads_open > 0)
		return;
	if (share_subject_count(s->share) > ALONE_MAX && r->f.known < 2)
		return;
	if (s->generation != share_generation(s->share) ||
	    s->turn++ % LEASE_TURNS == 0) {
		send_leases(r, share_wants(s->share));
	} else {
		write_sweep(r);
		read_peers(r);
	}
}

size_t
sharing_held(const struct redis *r)
{
	size_t held = 0, left;

	if (r->s.share != NULL)
		share_count(r->s.share, clock_mono_ms(), &held, &left);
	return held;
}

void
sharing_release(struct redis *r)
{
	if (r->ready && sharing_held(r) > 0)
		send_leases(r, false);
}

bool
sharing_pending(const struct redis *r)
{
	return r->s.leases_open > 0;
}

/* --- the interface ----------------------------------------------------- */

void
redis_set_share(struct redis *r, struct share *share)
{
	r->s.share = share;
	if ((r->s.timer = event_new(r->base, -1, 0, timer_cb, r)) == NULL)
		fatalx("out of memory");
	arm(r, SHARE_TICK_MIN_MS);
}

const char *
redis_share_trouble(const struct redis *r)
{
	return r->s.why;
}

void
sharing_clear(struct redis *r)
{
	forget_tick(&r->s);
	if (r->s.timer != NULL)
		event_free(r->s.timer);
}
