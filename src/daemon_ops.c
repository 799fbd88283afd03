/*
 * daemon_ops.c - what the control socket and the page ask of mailbraked
 */
#include "daemon.h"

#include <string.h>

#include "base/clock.h"
#include "base/mem.h"

#define STATE_WORD_MS	500

static void
op_settle(void *ctx)
{
	struct daemon *d = ctx;

	if (d->unsettled)
		daemon_settle(d);
}

static bool
op_override(void *ctx, const struct override *o, const char **why)
{
	struct daemon *d = ctx;

	if (!board_override(d->board, o, clock_wall_ms(), why))
		return false;
	if (d->redis != NULL)
		redis_put_override(d->redis, o, clock_wall_ms());
	daemon_settle(d);
	/* Mail obeys it already.  Who is told so may count on it, also when
	 * we are killed the next moment; a disk that hangs makes nobody else
	 * wait but those who wait for this thread. */
	statefile_wait(d->state, STATE_WORD_MS);
	return true;
}

static bool
op_reload(void *ctx, char **errors)
{
	struct daemon *d = ctx;
	bool ok = daemon_reload(d, errors);

	if (ok) {
		free(*errors);
		*errors = NULL;
	}
	return ok;
}

static int64_t
op_next_check(void *ctx, int egress)
{
	struct daemon *d = ctx;

	(void)egress;
	return d->checker != NULL ? checker_next_ms(d->checker) : 0;
}

static void
op_store(void *ctx, struct control_store *out)
{
	struct daemon *d = ctx;
	size_t held;

	*out = (struct control_store){ .redis = "off" };
	if (d->redis != NULL) {
		switch (redis_state(d->redis, &out->why, &out->way)) {
		case REDIS_DOWN:
			out->redis = "down";
			break;
		case REDIS_CONNECTING:
			out->redis = "connecting";
			break;
		case REDIS_CONNECTED:
			out->redis = "connected";
			break;
		}
	}
	if (d->redis != NULL && d->conf->redis_share) {
		share_count(d->share, clock_mono_ms(), &held, &out->left);
		out->no_leases = redis_share_trouble(d->redis);
	}
	if (d->state == NULL)
		return;
	out->state_file = d->conf->state_file;
	statefile_error(d->state, d->state_error, sizeof(d->state_error));
	if (d->state_error[0] != '\0')
		out->state_file_error = d->state_error;
}

static const char *
op_fleet(void *ctx, struct control_fleet *out)
{
	struct daemon *d = ctx;
	const struct redis_node *found;
	struct redis_node own;
	size_t i;

	if (d->redis == NULL)
		return "there is no fleet: the configuration has no redis";
	redis_own_node(d->redis, &own);
	found = redis_fleet(d->redis, &out->count, &out->age_ms);
	d->fleet = xreallocarray(d->fleet, out->count + 1,
	    sizeof(*d->fleet));
	for (i = 0; i < out->count; i++) {
		const struct redis_node *n = &found[i];

		d->fleet[i] = (struct control_node){ .host = n->host,
		    .version = n->version, .mode = n->mode,
		    .started_ms = n->started_ms, .alive = n->alive,
		    .here = strcmp(n->host, own.host) == 0,
		    .same_rules = strcmp(n->config, own.config) == 0,
		    .leases = n->leases,
		    .overrides = n->seen.count,
		    .same_overrides = n->seen.count == own.seen.count &&
		    n->seen.all == own.seen.all };
	}
	out->nodes = d->fleet;
	return NULL;
}

static bool
op_fleet_knows(void *ctx, size_t node, const struct override *o)
{
	struct daemon *d = ctx;
	const struct redis_node *n;
	uint32_t mark = redis_word_mark(o);
	int64_t age_ms;
	size_t i, count;

	n = redis_fleet(d->redis, &count, &age_ms) + node;
	if (d->fleet[node].same_overrides)
		return true;
	for (i = 0; i < n->seen.mark_count; i++) {
		if (n->seen.marks[i] == mark)
			return true;
	}
	return false;
}

static const char *
op_resolver_fault(void *ctx)
{
	struct daemon *d = ctx;

	return d->checker != NULL ? checker_resolver_fault(d->checker) : NULL;
}

static const struct misreads *
op_misreads(void *ctx)
{
	struct daemon *d = ctx;

	return &d->misreads;
}

static int64_t
op_daily(void *ctx, size_t list)
{
	struct daemon *d = ctx;

	return d->checker != NULL ? checker_daily(d->checker, list) : 0;
}

static void
op_identity(void *ctx, size_t egress, size_t addr,
    struct control_identity *out)
{
	static const char *const states[] = {
		[IDENTITY_UNKNOWN] = "unknown",
		[IDENTITY_GOOD] = "good",
		[IDENTITY_BAD] = "bad",
	};
	struct daemon *d = ctx;

	*out = (struct control_identity){ .state = "unknown" };
	if (d->identity != NULL)
		out->state = states[identity_get(d->identity, egress, addr,
		    &out->name, &out->text)];
}

static void
op_gate(void *ctx, struct control_gate *out)
{
	struct daemon *d = ctx;

	ways_gate(d->ways, out);
}

static int64_t
op_waiting(void *ctx, const char *egress)
{
	struct daemon *d = ctx;

	return ways_waiting(d->ways, egress);
}

static void
op_postfix(void *ctx, struct control_postfix *out)
{
	struct daemon *d = ctx;

	ways_postfix(d->ways, out);
}

static const struct incidents *
op_incidents(void *ctx)
{
	struct daemon *d = ctx;

	return d->incidents;
}

static const char *
op_tick(void *ctx, int64_t id, enum incident_step step, const char *zone,
    const char *by, const char *note)
{
	struct daemon *d = ctx;
	const char *wrong = incidents_tick(d->incidents, id, step, zone, by,
	    note, clock_wall_ms());

	if (wrong == NULL)
		daemon_settle(d);
	return wrong;
}

static void
hooks_said_cb(void *ctx, json_t *line, bool more)
{
	struct daemon *d = ctx;

	control_reply(d->control, d->test_ticket, line, more);
}

static const char *
op_test_alert(void *ctx, const char *hook, uint64_t ticket)
{
	struct daemon *d = ctx;
	const char *wrong = hooks_test(d->hooks, hook, hooks_said_cb, d);

	if (wrong == NULL)
		d->test_ticket = ticket;
	return wrong;
}

static const char *
op_front_where(void *ctx, enum front_kind kind)
{
	struct daemon *d = ctx;

	return d->where[kind][0] != '\0' ? d->where[kind] : NULL;
}

const struct control_ops daemon_ops = {
	.version = PACKAGE_VERSION,
	.override = op_override,
	.reload = op_reload,
	.next_check = op_next_check,
	.store = op_store,
	.front_where = op_front_where,
	.settle = op_settle,
	.resolver_fault = op_resolver_fault,
	.misreads = op_misreads,
	.daily = op_daily,
	.identity = op_identity,
	.gate = op_gate,
	.waiting = op_waiting,
	.incidents = op_incidents,
	.tick = op_tick,
	.test_alert = op_test_alert,
	.postfix = op_postfix,
	.fleet = op_fleet,
	.fleet_knows = op_fleet_knows,
};
