/*
 * config.c - mailbrake.conf as a struct
 *
 * One table has every setting with type, range and default; what follows it
 * are the rules between settings.  mailbrake.conf(5) and the sample are
 * checked against the table by tests/unit/test_config.c.
 */
#include "conf/config.h"

#include <sys/stat.h>

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/domain.h"
#include "base/mem.h"
#include "base/text.h"
#include "conf/catalog.h"
#include "conf/config_schema.h"
#include "conf/providers.h"
#include "conf/schema.h"

#define NAME_MAX_BYTES	64
#define NEXTHOP_MAX	255
#define DEFAULT_NAME	"default"	/* of the egress and pool not named */
#define DNS_PORT	53
#define REDIS_PORT	6379
#define SENTINEL_PORT	26379

struct egress_row {
	struct group_head	 head;
	char			*name, *hostname, *nexthop;
	struct strings		 addresses, transport;
	int			 weight;
	bool			 warm;
};

struct pool_row {
	struct group_head	 head;
	char			*name;
	struct strings		 egress, actions;
	int			 choose, submission, burn_limit, reroute_limit;
	bool			 submission_given;
	int64_t			 burn_window_ms;
};

struct route_row {
	struct group_head	 head;
	char			*sender, *recipient, *account, *pool;
};

struct check_group {
	struct group_head	 head;
	int64_t			 interval_ms, timeout_ms, confirm_delay_ms;
	int			 tries, parallel, confirm;
	struct strings		 resolvers;
};

struct stop_group {
	struct group_head	 head;
	int			 score;
};

struct resume_group {
	struct group_head	 head;
	int			 clean, relapse_factor, canaries;
	int64_t			 after_ms, ramp_ms, max_wait_ms, flap_window_ms;
};

struct listen_group {
	struct group_head	 head;
	char			*milter, *policy, *socketmap, *http, *control;
	char			*group;
};

struct postfix_group {
	struct group_head	 head;
	char			*config_directory;
	bool			 flush;
};

struct tls_group {
	struct group_head	 head;
	char			*ca, *cert, *key, *server_name;
	bool			 verify;
};

struct redis_group {
	struct group_head	 head;
	char			*server, *prefix, *username, *password;
	char			*password_file, *master_name;
	char			*sentinel_username, *sentinel_password;
	struct strings		 sentinels;
	struct tls_group	 tls;
	int			 database;
	bool			 server_given, share;
};

struct file {
	struct group_head	 head;
	int			 mode;
	struct rows		 egress, pools, routes, lists;
	struct strings		 domains, local_domains, local_transports;
	struct check_group	 check;
	struct stop_group	 stop;
	struct resume_group	 resume;
	char			*catalogue;
	bool			 catalogue_given;
	struct listen_group	 listen;
	struct redis_group	 redis;
	struct postfix_group	 postfix;
	char			*providers;
	bool			 providers_given;
	char			*state_file, *gate_file, *hooks, *user;
	bool			 gate_file_given, hooks_given, user_given;
	int64_t			 hooks_timeout_ms;
};

static const char *const mode_words[] = { "enforce", "observe", NULL };
static const char *const choose_words[] = { "failover", "spread", NULL };
static const char *const action_words[] = {
	"reroute", "tempfail", "hold", NULL
};
static const char *const submission_words[] = {
	"tempfail", "accept", "hold", NULL
};

#define AT(type, field)		.offset = offsetof(type, field)
#define GIVEN(type, field)	.given = offsetof(type, field)
#define SECOND			1000LL
#define MINUTE			(60 * SECOND)
#define DAY			(1440 * MINUTE)

static const struct setting egress_schema[] = {
	{ "name", SET_STRING, AT(struct egress_row, name) },
	{ "addresses", SET_STRINGS, AT(struct egress_row, addresses) },
	{ "transport", SET_STRINGS, AT(struct egress_row, transport) },
	{ "nexthop", SET_STRING, AT(struct egress_row, nexthop) },
	{ "hostname", SET_STRING, AT(struct egress_row, hostname) },
	{ "weight", SET_INT, AT(struct egress_row, weight), "1", 0, 1000 },
	{ "warm", SET_BOOL, AT(struct egress_row, warm), "false" },
	{ 0 }
};

static const struct setting pool_schema[] = {
	{ "name", SET_STRING, AT(struct pool_row, name) },
	{ "egress", SET_STRINGS, AT(struct pool_row, egress) },
	{ "choose", SET_WORD, AT(struct pool_row, choose), "failover",
	    .words = choose_words },
	{ "actions", SET_WORDS, AT(struct pool_row, actions),
	    "reroute tempfail", .words = action_words },
	{ "submission", SET_WORD, AT(struct pool_row, submission), "tempfail",
	    .words = submission_words,
	    GIVEN(struct pool_row, submission_given) },
	{ "burn_limit", SET_INT, AT(struct pool_row, burn_limit), "2", 1,
	    1000 },
	{ "burn_window", SET_DURATION, AT(struct pool_row, burn_window_ms),
	    "24h", MINUTE, 30 * DAY },
	{ "reroute_limit", SET_INT, AT(struct pool_row, reroute_limit), "3",
	    0, 1000 },
	{ 0 }
};

static const struct setting route_schema[] = {
	{ "sender", SET_STRING, AT(struct route_row, sender) },
	{ "recipient", SET_STRING, AT(struct route_row, recipient) },
	{ "account", SET_STRING, AT(struct route_row, account) },
	{ "pool", SET_STRING, AT(struct route_row, pool) },
	{ 0 }
};

static const struct setting check_schema[] = {
	{ "interval", SET_DURATION, AT(struct check_group, interval_ms),
	    "5m", 100, DAY },
	{ "resolvers", SET_STRINGS, AT(struct check_group, resolvers) },
	{ "timeout", SET_DURATION, AT(struct check_group, timeout_ms), "3s",
	    50, 60 * SECOND },
	{ "tries", SET_INT, AT(struct check_group, tries), "2", 1, 10 },
	{ "parallel", SET_INT, AT(struct check_group, parallel), "256", 1,
	    10000 },
	{ "confirm", SET_INT, AT(struct check_group, confirm), "2", 1, 10 },
	{ "confirm_delay", SET_DURATION,
	    AT(struct check_group, confirm_delay_ms), "10s", 0,
	    10 * MINUTE },
	{ 0 }
};

static const struct setting stop_schema[] = {
	{ "score", SET_INT, AT(struct stop_group, score), "100", 1, 100000 },
	{ 0 }
};

static const struct setting resume_schema[] = {
	{ "clean", SET_INT, AT(struct resume_group, clean), "3", 1, 1000 },
	{ "after", SET_DURATION, AT(struct resume_group, after_ms), "15m", 0,
	    30 * DAY },
	{ "ramp", SET_DURATION, AT(struct resume_group, ramp_ms), "2h", 0,
	    30 * DAY },
	{ "canaries", SET_INT, AT(struct resume_group, canaries), "10", 1,
	    100000 },
	{ "relapse_factor", SET_INT, AT(struct resume_group, relapse_factor),
	    "2", 1, 100 },
	{ "max_wait", SET_DURATION, AT(struct resume_group, max_wait_ms),
	    "24h", 0, 90 * DAY },
	{ "flap_window", SET_DURATION,
	    AT(struct resume_group, flap_window_ms), "24h", 0, 90 * DAY },
	{ 0 }
};

static const struct setting listen_schema[] = {
	{ "milter", SET_STRING, AT(struct listen_group, milter) },
	{ "policy", SET_STRING, AT(struct listen_group, policy) },
	{ "socketmap", SET_STRING, AT(struct listen_group, socketmap) },
	{ "http", SET_STRING, AT(struct listen_group, http) },
	{ "control", SET_STRING, AT(struct listen_group, control) },
	{ "group", SET_STRING, AT(struct listen_group, group) },
	{ 0 }
};

static const struct setting postfix_schema[] = {
	{ "config_directory", SET_STRING,
	    AT(struct postfix_group, config_directory) },
	{ "flush", SET_BOOL, AT(struct postfix_group, flush), "true" },
	{ 0 }
};

static const struct setting tls_schema[] = {
	{ "ca", SET_STRING, AT(struct tls_group, ca) },
	{ "cert", SET_STRING, AT(struct tls_group, cert) },
	{ "key", SET_STRING, AT(struct tls_group, key) },
	{ "server_name", SET_STRING, AT(struct tls_group, server_name) },
	{ "verify", SET_BOOL, AT(struct tls_group, verify), "true" },
	{ 0 }
};

static const struct setting redis_schema[] = {
	{ "server", SET_STRING, AT(struct redis_group, server),
	    "127.0.0.1:6379", GIVEN(struct redis_group, server_given) },
	{ "prefix", SET_STRING, AT(struct redis_group, prefix),
	    "mailbrake:" },
	{ "username", SET_STRING, AT(struct redis_group, username) },
	{ "password", SET_STRING, AT(struct redis_group, password),
	    .secret = true },
	{ "password_file", SET_STRING,
	    AT(struct redis_group, password_file) },
	{ "database", SET_INT, AT(struct redis_group, database), "0", 0,
	    65535 },
	{ "share", SET_BOOL, AT(struct redis_group, share), "true" },
	{ "tls", SET_GROUP, AT(struct redis_group, tls),
	    .children = tls_schema },
	{ "sentinels", SET_STRINGS, AT(struct redis_group, sentinels) },
	{ "master_name", SET_STRING, AT(struct redis_group, master_name) },
	{ "sentinel_username", SET_STRING,
	    AT(struct redis_group, sentinel_username) },
	{ "sentinel_password", SET_STRING,
	    AT(struct redis_group, sentinel_password), .secret = true },
	{ 0 }
};

const struct setting config_schema[] = {
	{ "mode", SET_WORD, AT(struct file, mode), "enforce",
	    .words = mode_words },
	{ "egress", SET_GROUPS, AT(struct file, egress),
	    .children = egress_schema, .size = sizeof(struct egress_row) },
	{ "pools", SET_GROUPS, AT(struct file, pools),
	    .children = pool_schema, .size = sizeof(struct pool_row) },
	{ "routes", SET_GROUPS, AT(struct file, routes),
	    .children = route_schema, .size = sizeof(struct route_row) },
	{ "domains", SET_STRINGS, AT(struct file, domains) },
	{ "local_domains", SET_STRINGS, AT(struct file, local_domains) },
	{ "local_transports", SET_STRINGS, AT(struct file, local_transports),
	    "local virtual lmtp relay error retry discard dovecot maildrop "
	    "cyrus procmail prog *file* *include*" },
	{ "check", SET_GROUP, AT(struct file, check),
	    .children = check_schema },
	{ "stop", SET_GROUP, AT(struct file, stop),
	    .children = stop_schema },
	{ "resume", SET_GROUP, AT(struct file, resume),
	    .children = resume_schema },
	{ "lists", SET_GROUPS, AT(struct file, lists),
	    .children = catalog_row_schema, .size = sizeof(struct list_row) },
	{ "catalogue", SET_STRING, AT(struct file, catalogue),
	    DEFAULT_CATALOGUE, GIVEN(struct file, catalogue_given) },
	{ "listen", SET_GROUP, AT(struct file, listen),
	    .children = listen_schema },
	{ "redis", SET_GROUP, AT(struct file, redis),
	    .children = redis_schema },
	{ "postfix", SET_GROUP, AT(struct file, postfix),
	    .children = postfix_schema },
	{ "providers", SET_STRING, AT(struct file, providers),
	    DEFAULT_PROVIDERS, GIVEN(struct file, providers_given) },
	{ "state_file", SET_STRING, AT(struct file, state_file),
	    DEFAULT_STATE_FILE },
	{ "gate_file", SET_STRING, AT(struct file, gate_file),
	    DEFAULT_GATE_FILE, GIVEN(struct file, gate_file_given) },
	{ "hooks", SET_STRING, AT(struct file, hooks), DEFAULT_HOOKS,
	    GIVEN(struct file, hooks_given) },
	{ "hooks_timeout", SET_DURATION, AT(struct file, hooks_timeout_ms),
	    "1m", SECOND, 10 * MINUTE },
	{ "user", SET_STRING, AT(struct file, user), "mailbrake",
	    GIVEN(struct file, user_given) },
	{ 0 }
};

/* --- egresses, pools, routes ------------------------------------------- */

static bool
name_ok(const char *name)
{
	const char *p;

	if (name[0] == '\0' || strlen(name) > NAME_MAX_BYTES)
		return false;
	for (p = name; *p != '\0'; p++) {
		if (!isalnum((unsigned char)*p) && strchr("-_.", *p) == NULL)
			return false;
	}
	return true;
}

static void
copy_strings(char ***out, size_t *count, const struct strings *in)
{
	size_t i;

	*out = xcalloc(in->count, sizeof(**out));
	for (i = 0; i < in->count; i++)
		(*out)[i] = xstrdup(in->v[i]);
	*count = in->count;
}

static void
check_egress_name(const struct policy *p, const struct egress_row *r,
    struct errors *errs)
{
	struct addr a;

	if (r->name == NULL)
		errors_add(errs, &r->head.at, "an egress needs a "
		    "name = \"mx1\"");
	else if (!name_ok(r->name) || addr_parse(r->name, &a) ||
	    strcasecmp(r->name, "all") == 0)
		errors_add(errs, &r->head.at, "egress name \"%s\": use "
		    "letters, digits, '-', '_' and '.', not an address and "
		    "not \"all\"", r->name);
	else if (policy_find_egress(p, r->name) != -1)
		errors_add(errs, &r->head.at, "egress name \"%s\" stands "
		    "twice", r->name);
}

static void
add_addresses(struct policy *p, struct egress *e, const struct egress_row *r,
    struct errors *errs)
{
	const struct position *at = r->addresses.given ? &r->addresses.at :
	    &r->head.at;
	struct addr a;
	size_t i, j, k;

	if (r->addresses.count == 0 && !r->addresses.bad)
		errors_add(errs, at, "egress \"%s\" needs addresses = "
		    "[\"203.0.113.7\"]", e->name);
	e->addrs = xcalloc(r->addresses.count, sizeof(*e->addrs));
	for (i = 0; i < r->addresses.count; i++) {
		if (!addr_parse(r->addresses.v[i], &a)) {
			errors_add(errs, at, "addresses: \"%s\" is no IPv4 "
			    "or IPv6 address", r->addresses.v[i]);
			continue;
		}
		/* This egress too: what counts once must stand once. */
		for (j = 0; j <= p->egress_count; j++) {
			struct egress *o = &p->egress[j];

			for (k = 0; k < o->addr_count; k++) {
				if (addr_cmp(&o->addrs[k], &a) == 0)
					errors_add(errs, at, "addresses: "
					    "\"%s\" belongs to egress \"%s\" "
					    "already", r->addresses.v[i],
					    o->name);
			}
		}
		e->addrs[e->addr_count++] = a;
	}
}

/* A name that Postfix cannot take hangs it, or ends its queue manager. */
static void
check_transport(const char *name, const struct egress_row *r,
    struct errors *errs)
{
	const struct position *at = r->transport.given ? &r->transport.at :
	    &r->head.at;

	if (name_ok(name))
		return;
	errors_add(errs, at, "transport \"%s\": must be the name of a service "
	    "in master.cf, or of a mailer: letters, digits, '-', '_' and "
	    "'.', at most %d", name, NAME_MAX_BYTES);
}

static void
add_transports(struct policy *p, struct egress *e,
    const struct egress_row *r, struct errors *errs)
{
	size_t i, j, k;

	if (r->transport.given) {
		copy_strings(&e->transports, &e->transport_count,
		    &r->transport);
	} else {
		/* What an MTA calls its only way out; the further ones go by
		 * the name of their egress. */
		e->transports = xcalloc(1, sizeof(*e->transports));
		e->transports[0] = xstrdup(e == p->egress ? "smtp" : e->name);
		e->transport_count = 1;
	}
	for (i = 0; i < e->transport_count; i++) {
		check_transport(e->transports[i], r, errs);
		for (j = 0; &p->egress[j] != e; j++) {
			struct egress *o = &p->egress[j];

			for (k = 0; k < o->transport_count; k++) {
				if (strcmp(o->transports[k],
				    e->transports[i]) == 0)
					errors_add(errs, &r->head.at,
					    "transport \"%s\" of egress "
					    "\"%s\" is that of egress \"%s\" "
					    "already", e->transports[i],
					    e->name, o->name);
			}
		}
	}
}

/* As it stands in Postfix' tables after the transport and a colon. */
static void
read_nexthop(struct egress *e, const struct egress_row *r,
    struct errors *errs)
{
	const char *c = r->nexthop;
	size_t len;

	if (c == NULL)
		return;
	len = strlen(c);
	if (len == 0 || len > NEXTHOP_MAX ||
	    strspn(c, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	    "0123456789.-_:[]") != len) {
		errors_add(errs, &r->head.at, "nexthop: \"%s\": must be the "
		    "host that sends from this address, as \"[HOST]\" or "
		    "\"[HOST]:PORT\"", c);
		return;
	}
	e->nexthop = xstrdup(c);
}

/* The name in the greeting goes with every message: where its domain is
 * listed, the egress is as good as listed. */
static void
read_hostname(struct egress *e, const struct egress_row *r,
    struct errors *errs)
{
	char name[DOMAIN_MAX];
	const char *wrong;

	if (r->hostname == NULL)
		return;
	if ((wrong = domain_normal(r->hostname, name)) != NULL) {
		errors_add(errs, &r->head.at, "hostname: \"%s\" %s",
		    r->hostname, wrong);
		return;
	}
	e->hostname = xstrdup(name);
	e->helo_domain = xstrdup(domain_registered(name));
}

static void
add_egresses(struct policy *p, const struct rows *rows, struct errors *errs)
{
	const struct egress_row *r;
	struct egress *e;
	size_t i;

	p->egress = xcalloc(rows->count, sizeof(*p->egress));
	for (i = 0; i < rows->count; i++) {
		r = (const struct egress_row *)rows->v + i;
		check_egress_name(p, r, errs);
		e = &p->egress[p->egress_count];
		e->name = xstrdup(r->name != NULL ? r->name : "?");
		read_hostname(e, r, errs);
		read_nexthop(e, r, errs);
		e->watched = true;
		e->pool = SIZE_MAX;
		e->weight = r->weight;
		e->warm = r->warm;
		e->traffic = xcalloc(1, sizeof(*e->traffic));
		add_transports(p, e, r, errs);
		add_addresses(p, e, r, errs);
		p->egress_count++;
	}
}

static struct pool *
new_pool(struct policy *p, const char *name)
{
	struct pool *pool;

	p->pools = xreallocarray(p->pools, p->pool_count + 1,
	    sizeof(*p->pools));
	pool = &p->pools[p->pool_count++];
	/* Who named no pool did not say that one's trouble is the others'. */
	*pool = (struct pool){ .name = xstrdup(name), .burn_limit = 0,
	    .burn_window_ms = DAY, .reroute_limit = 3 };
	pool->actions[pool->action_count++] = ACT_REROUTE;
	pool->actions[pool->action_count++] = ACT_TEMPFAIL;
	return pool;
}

static void
pool_add_egress(struct policy *p, size_t pool, size_t egress)
{
	struct pool *o = &p->pools[pool];

	o->egress = xreallocarray(o->egress, o->egress_count + 1,
	    sizeof(*o->egress));
	o->egress[o->egress_count++] = egress;
	p->egress[egress].pool = pool;
}

static int
find_pool(const struct policy *p, const char *name)
{
	size_t i;

	for (i = 0; i < p->pool_count; i++) {
		if (strcmp(p->pools[i].name, name) == 0)
			return (int)i;
	}
	return -1;
}

static void
pool_members(struct policy *p, size_t pool, const struct pool_row *r,
    struct errors *errs)
{
	const char **names = xcalloc(p->egress_count, sizeof(*names));
	const char *near;
	size_t i;
	int e;

	for (i = 0; i < p->egress_count; i++)
		names[i] = p->egress[i].name;
	if (r->egress.count == 0)
		errors_add(errs, &r->head.at, "pool \"%s\" needs "
		    "egress = [\"...\"]", p->pools[pool].name);
	for (i = 0; i < r->egress.count; i++) {
		e = policy_find_egress(p, r->egress.v[i]);
		if (e == -1) {
			near = text_nearest(r->egress.v[i], names,
			    p->egress_count);
			errors_add(errs, &r->egress.at, "pool \"%s\": there "
			    "is no egress \"%s\"%s%s%s",
			    p->pools[pool].name, r->egress.v[i],
			    near != NULL ? ", did you mean \"" : "",
			    near != NULL ? near : "",
			    near != NULL ? "\"?" : "");
		} else if (p->egress[e].pool != SIZE_MAX) {
			errors_add(errs, &r->egress.at, "egress \"%s\" is "
			    "in two pools", r->egress.v[i]);
		} else {
			pool_add_egress(p, pool, (size_t)e);
		}
	}
	free(names);
}

static void
pool_actions(struct pool *pool, const struct pool_row *r)
{
	size_t i;

	pool->action_count = 0;
	for (i = 0; i < r->actions.count; i++) {
		enum action a = strcmp(r->actions.v[i], "reroute") == 0 ?
		    ACT_REROUTE : strcmp(r->actions.v[i], "hold") == 0 ?
		    ACT_HOLD : ACT_TEMPFAIL;

		if (pool->action_count < ACT_KINDS)
			pool->actions[pool->action_count++] = a;
	}
}

static void
add_pools(struct policy *p, const struct rows *rows, struct errors *errs)
{
	static const enum submission submissions[] = {
		SUBMISSION_TEMPFAIL, SUBMISSION_ACCEPT, SUBMISSION_HOLD
	};
	const struct pool_row *r;
	struct pool *pool;
	size_t i, left = SIZE_MAX;

	for (i = 0; i < rows->count; i++) {
		r = (const struct pool_row *)rows->v + i;
		if (r->name == NULL || !name_ok(r->name)) {
			errors_add(errs, &r->head.at, "a pool needs a "
			    "name = \"default\" of letters, digits, '-', "
			    "'_' and '.'");
			continue;
		}
		if (find_pool(p, r->name) != -1) {
			errors_add(errs, &r->head.at, "pool \"%s\" stands "
			    "twice", r->name);
			continue;
		}
		pool = new_pool(p, r->name);
		pool->choose = (enum choose)r->choose;
		pool->submission = r->submission_given ?
		    submissions[r->submission] : SUBMISSION_UNSET;
		pool->burn_limit = r->burn_limit;
		pool->burn_window_ms = r->burn_window_ms;
		pool->reroute_limit = r->reroute_limit;
		pool_actions(pool, r);
		pool_members(p, p->pool_count - 1, r, errs);
	}
	/* Without pools all egresses stand in for each other; next to pools
	 * that are named, each of the rest is on its own. */
	for (i = 0; i < p->egress_count; i++) {
		if (p->egress[i].pool != SIZE_MAX)
			continue;
		if (left == SIZE_MAX || rows->count > 0) {
			new_pool(p, rows->count > 0 ? p->egress[i].name :
			    DEFAULT_NAME);
			left = p->pool_count - 1;
		}
		pool_add_egress(p, left, i);
	}
}

/* A bare domain would be taken for a mailbox, and never match. */
static void
check_pattern(const char *pattern, const char *name,
    const struct position *at, struct errors *errs)
{
	const char *sign = pattern != NULL ? strrchr(pattern, '@') : NULL;

	if (pattern != NULL && ((sign == NULL && strchr(pattern, '.')
	    != NULL) || (sign != NULL && sign[1] == '\0')))
		errors_add(errs, at, "routes: %s = \"%s\": must be a domain "
		    "like \"@example.org\" or a mailbox like "
		    "\"news@example.org\"", name, pattern);
}

static void
add_routes(struct policy *p, const struct rows *rows, struct errors *errs)
{
	const struct route_row *r;
	struct route *route;
	size_t i;
	int pool;

	p->routes = xcalloc(rows->count, sizeof(*p->routes));
	for (i = 0; i < rows->count; i++) {
		r = (const struct route_row *)rows->v + i;
		if (r->pool == NULL || (pool = find_pool(p, r->pool)) == -1) {
			errors_add(errs, &r->head.at, "a route needs the "
			    "pool of one of pools, not \"%s\"",
			    r->pool != NULL ? r->pool : "");
			continue;
		}
		check_pattern(r->sender, "sender", &r->head.at, errs);
		check_pattern(r->recipient, "recipient", &r->head.at, errs);
		route = &p->routes[p->route_count++];
		route->sender = xstrdup(r->sender);
		route->recipient = xstrdup(r->recipient);
		route->account = xstrdup(r->account);
		route->pool = (size_t)pool;
	}
}

/* --- the rest ---------------------------------------------------------- */

static void
read_endpoint(struct endpoint *out, const char *text, const char *fallback,
    const char *name, const struct listen_group *g,
    const struct schema_file *f, struct errors *errs)
{
	char path[64];
	struct position at;
	const char *wrong;

	if (text == NULL)
		text = g->head.given ? "" : fallback;
	if ((wrong = endpoint_parse(text, out)) == NULL)
		return;
	snprintf(path, sizeof(path), "listen.%s", name);
	at = schema_where(f, path);
	errors_add(errs, &at, "%s: \"%s\" %s", path, text, wrong);
}

static void
read_listen(struct config *c, const struct listen_group *g,
    bool local_known, const struct schema_file *f, struct errors *errs)
{
	read_endpoint(&c->milter, g->milter, "unix:" DEFAULT_RUN_DIR
	    "/milter.sock", "milter", g, f, errs);
	read_endpoint(&c->policy_service, g->policy, "inet:127.0.0.1:10045",
	    "policy", g, f, errs);
	read_endpoint(&c->control, g->control, DEFAULT_CONTROL, "control", g,
	    f, errs);
	read_endpoint(&c->socketmap, g->socketmap, "unix:" DEFAULT_RUN_DIR
	    "/map.sock", "socketmap", g, f, errs);
	read_endpoint(&c->http, g->http, "inet:127.0.0.1:9845", "http", g, f,
	    errs);
	c->socket_group = xstrdup(g->group);
	if (g->policy != NULL && g->policy[0] != '\0' && !local_known) {
		struct position at = schema_where(f, "listen.policy");

		errors_warn(errs, &at, "listen.policy without local_domains: "
		    "the policy service cannot know which domains are your "
		    "own and would refuse mail to them as well while stopped: "
		    "set local_domains = [\"example.org\"]");
	}
	if (c->control.kind == ENDPOINT_NONE)
		errors_warn(errs, &g->head.at, "listen.control is not "
		    "offered: mailbrake status, stop and send will not work");
	if (c->milter.kind == ENDPOINT_NONE &&
	    c->policy_service.kind == ENDPOINT_NONE &&
	    c->socketmap.kind == ENDPOINT_NONE)
		errors_warn(errs, &g->head.at, "none of listen.milter, "
		    "listen.policy and listen.socketmap is offered: no mail "
		    "will be stopped");
}

static void
read_resolvers(struct config *c, const struct check_group *g,
    struct errors *errs)
{
	const char *wrong;
	size_t i;

	c->resolvers = xcalloc(g->resolvers.count, sizeof(*c->resolvers));
	for (i = 0; i < g->resolvers.count; i++) {
		struct endpoint *e = &c->resolvers[c->resolver_count];

		wrong = endpoint_parse_server(g->resolvers.v[i], DNS_PORT, e);
		if (wrong == NULL && e->kind != ENDPOINT_INET)
			wrong = "is no address of a DNS server";
		if (wrong != NULL)
			errors_add(errs, &g->resolvers.at, "check.resolvers: "
			    "\"%s\" %s", g->resolvers.v[i], wrong);
		else
			c->resolver_count++;
	}
}

static void
read_sentinels(struct config *c, const struct redis_group *g,
    const struct schema_file *f, struct errors *errs)
{
	struct position at = schema_where(f, "redis.server");
	const char *wrong;
	size_t i;

	c->redis_sentinels = xcalloc(g->sentinels.count + 1,
	    sizeof(*c->redis_sentinels));
	for (i = 0; i < g->sentinels.count; i++) {
		struct endpoint *e =
		    &c->redis_sentinels[c->redis_sentinel_count];

		wrong = endpoint_parse_server(g->sentinels.v[i],
		    SENTINEL_PORT, e);
		if (wrong != NULL)
			errors_add(errs, &g->sentinels.at, "redis.sentinels: "
			    "\"%s\" %s", g->sentinels.v[i], wrong);
		else
			c->redis_sentinel_count++;
	}
	if (g->sentinels.count > 0 && g->server_given)
		errors_warn(errs, &at, "redis.server is not used: "
		    "redis.sentinels say which server it is");
	if ((g->sentinels.count > 0) != (g->master_name != NULL))
		errors_add(errs, g->master_name != NULL ? &g->head.at :
		    &g->sentinels.at, "redis.sentinels and redis.master_name "
		    "need each other");
	if (g->sentinel_username != NULL && g->sentinel_password == NULL)
		errors_add(errs, &g->head.at, "redis.sentinel_username "
		    "\"%s\" needs redis.sentinel_password",
		    g->sentinel_username);
	/* It is one word of what a Sentinel says. */
	if (g->master_name != NULL && (g->master_name[0] == '\0' ||
	    strlen(g->master_name) > 127 ||
	    strpbrk(g->master_name, " \t") != NULL))
		errors_add(errs, &g->head.at, "redis.master_name: \"%s\": "
		    "must be one word", g->master_name);
	c->redis_master_name = xstrdup(g->master_name);
	c->redis_sentinel_username = xstrdup(g->sentinel_username);
	c->redis_sentinel_password = xstrdup(g->sentinel_password);
}

/* A file of redis or redis.tls; NULL is none.  That it can be read is only
 * known to the user of the daemon. */
static char *
read_file_name(const char *name, const char *path,
    const struct schema_file *f, struct errors *errs)
{
	struct position at = schema_where(f, name);
	struct stat st;

	if (path == NULL)
		return NULL;
	if (path[0] != '/')
		errors_add(errs, &at, "%s: \"%s\": must be an absolute path",
		    name, path);
	else if (stat(path, &st) == -1 && errno == ENOENT)
		errors_warn(errs, &at, "%s: \"%s\": there is no such file",
		    name, path);	/* yet */
	return xstrdup(path);
}

static void
read_tls(struct config *c, const struct tls_group *g,
    const struct schema_file *f, struct errors *errs)
{
	c->redis_tls = g->head.given;
	c->redis_tls_verify = g->verify;
	c->redis_tls_ca = read_file_name("redis.tls.ca", g->ca, f, errs);
	c->redis_tls_cert = read_file_name("redis.tls.cert", g->cert, f,
	    errs);
	c->redis_tls_key = read_file_name("redis.tls.key", g->key, f, errs);
	c->redis_tls_server_name = xstrdup(g->server_name);
	if ((g->cert != NULL) != (g->key != NULL))
		errors_add(errs, &g->head.at, "redis.tls.cert and "
		    "redis.tls.key need each other");
	if (g->head.given && !g->verify)
		errors_warn(errs, &g->head.at, "redis.tls.verify = false: "
		    "whoever answers is taken for the server, and given the "
		    "password");
}

static void
read_redis(struct config *c, const struct redis_group *g,
    const struct schema_file *f, struct errors *errs)
{
	struct position at = schema_where(f, "redis.server");
	const char *wrong;

	c->has_redis = g->head.given;
	wrong = endpoint_parse_server(g->server, REDIS_PORT,
	    &c->redis_server);
	if (wrong != NULL)
		errors_add(errs, &at, "redis.server: \"%s\" %s",
		    g->server, wrong);
	if (g->prefix[0] == '\0' || strpbrk(g->prefix, " *?[]\\") != NULL) {
		at = schema_where(f, "redis.prefix");
		errors_add(errs, &at, "redis.prefix: \"%s\": must "
		    "not be empty nor have spaces or any of *?[]\\",
		    g->prefix);
	}
	if (g->username != NULL && g->password == NULL &&
	    g->password_file == NULL)
		errors_add(errs, &g->head.at, "redis.username \"%s\" needs "
		    "redis.password or redis.password_file", g->username);
	if (g->password != NULL && g->password_file != NULL)
		errors_warn(errs, &g->head.at, "redis.password is not used: "
		    "redis.password_file is");
	c->redis_password_file = read_file_name("redis.password_file",
	    g->password_file, f, errs);
	read_sentinels(c, g, f, errs);
	read_tls(c, &g->tls, f, errs);
	c->redis_prefix = xstrdup(g->prefix);
	c->redis_username = xstrdup(g->username);
	c->redis_password = xstrdup(g->password);
	c->redis_database = g->database;
	c->redis_share = g->share;
}

static void
read_lists(struct config *c, const struct file *raw,
    const struct schema_file *f, struct errors *errs)
{
	struct position at = schema_where(f, "catalogue");
	struct catalog cat = { 0 };
	struct stat st;

	/* A reload is done from another directory. */
	if (raw->catalogue[0] != '\0' && raw->catalogue[0] != '/') {
		errors_add(errs, &at, "catalogue: \"%s\": must be an "
		    "absolute path, or \"\" for none", raw->catalogue);
		return;
	}

	/* An own build or a broken package may lack the shipped file; lists
	 * that the operator names himself work without it. */
	if (!raw->catalogue_given && raw->lists.count > 0 &&
	    stat(raw->catalogue, &st) == -1)
		errors_warn(errs, &at, "the shipped catalogue %s is missing: "
		    "only the lists of this file are watched; install it or "
		    "name it with catalogue", raw->catalogue);
	else if (raw->catalogue[0] != '\0' && raw->catalogue_given &&
	    access(raw->catalogue, R_OK) == -1)
		errors_add(errs, &at, "catalogue: \"%s\" cannot be read: %s",
		    raw->catalogue, strerror(errno));
	else if (raw->catalogue[0] != '\0')
		catalog_load(raw->catalogue, &cat, errs);
	catalog_apply(&cat, &raw->lists, errs);
	catalog_take_enabled(&cat, &c->policy->lists,
	    &c->policy->list_count);
	catalog_free(&cat);
	if (c->policy->list_count == 0 && errs->error_count == 0)
		errors_warn(errs, &at, "no list is watched: nothing but an "
		    "operator will ever stop mail");
}

static void
read_domains(struct policy *p, const struct strings *in, struct errors *errs)
{
	char name[DOMAIN_MAX];
	const char *wrong;
	size_t i;

	p->domains = xcalloc(in->count, sizeof(*p->domains));
	for (i = 0; i < in->count; i++) {
		const char *text = in->v[i] + (in->v[i][0] == '@');

		if ((wrong = domain_normal(text, name)) != NULL) {
			errors_add(errs, &in->at, "domains: \"%s\" %s",
			    in->v[i], wrong);
			continue;
		}
		if (strchr(name, '.') == NULL) {
			errors_add(errs, &in->at, "domains: \"%s\" is no "
			    "domain like \"example.org\"", in->v[i]);
			continue;
		}
		p->domains[p->domain_count].name = xstrdup(name);
		p->domains[p->domain_count++].asked =
		    xstrdup(domain_registered(name));
	}
}

static void
add_local_domain(struct policy *p, const char *domain)
{
	p->local_domains = xreallocarray(p->local_domains,
	    p->local_domain_count + 1, sizeof(*p->local_domains));
	p->local_domains[p->local_domain_count++] = xstrdup(domain);
}

static void
read_local(struct policy *p, const struct file *raw)
{
	char host[256];
	size_t i;

	for (i = 0; i < raw->local_domains.count; i++)
		add_local_domain(p, raw->local_domains.v[i]);
	add_local_domain(p, "localhost");
	if (gethostname(host, sizeof(host)) == 0) {
		host[sizeof(host) - 1] = '\0';
		add_local_domain(p, host);
	}
	copy_strings(&p->local_transports, &p->local_transport_count,
	    &raw->local_transports);
}

/* "hash:/var/lib/mailbrake/gate": the type is Postfix's, and may be left
 * out. */
static void
read_postfix(struct config *c, const struct file *raw,
    const struct schema_file *f, struct errors *errs)
{
	const char *path = raw->gate_file, *colon = strchr(path, ':');
	const char *dir = raw->postfix.config_directory;
	struct position at = schema_where(f, "gate_file");

	if (colon != NULL && memchr(path, '/', (size_t)(colon - path)) ==
	    NULL)
		path = colon + 1;
	if (raw->gate_file[0] != '\0' &&
	    (path[0] != '/' || raw->gate_file[0] == ':'))
		errors_add(errs, &at, "gate_file: \"%s\": must be an "
		    "absolute path, after a type and ':' if you like, or "
		    "\"\" for none", raw->gate_file);
	c->gate_file = xstrdup(raw->gate_file);
	c->gate_file_given = raw->gate_file_given;
	if (dir != NULL && dir[0] != '\0' && dir[0] != '/') {
		at = schema_where(f, "postfix.config_directory");
		errors_add(errs, &at, "postfix.config_directory: \"%s\": "
		    "must be an absolute path", dir);
	}
	c->postfix_config = xstrdup(dir != NULL ? dir : "");
	c->postfix_flush = raw->postfix.flush;
	if (raw->providers[0] == '\0' || (!raw->providers_given &&
	    access(raw->providers, R_OK) == -1))
		return;
	if (raw->providers[0] != '/') {
		at = schema_where(f, "providers");
		errors_add(errs, &at, "providers: \"%s\": must be an "
		    "absolute path, or \"\" for none", raw->providers);
		return;
	}
	providers_load(raw->providers, c->policy, errs);
}

/* What is in the directory is looked at when it is needed: that may be
 * another user, and another day. */
static void
read_hooks(struct config *c, const struct file *raw,
    const struct schema_file *f, struct errors *errs)
{
	struct position at = schema_where(f, "hooks");

	if (raw->hooks[0] != '\0' && raw->hooks[0] != '/')
		errors_add(errs, &at, "hooks: \"%s\": must be an absolute "
		    "path, or \"\" for none", raw->hooks);
	c->hooks = xstrdup(raw->hooks);
	c->hooks_given = raw->hooks_given;
	c->hooks_timeout_ms = raw->hooks_timeout_ms;
}

static void
fill(struct config *c, const struct file *raw, const struct schema_file *f,
    struct errors *errs)
{
	struct position at = schema_where(f, "state_file");
	struct policy *p = c->policy;

	p->mode = (enum mode)raw->mode;
	p->confirm = raw->check.confirm;
	p->stop_score = raw->stop.score;
	p->resume_clean = raw->resume.clean;
	p->resume_after_ms = raw->resume.after_ms;
	p->resume_ramp_ms = raw->resume.ramp_ms;
	p->relapse_factor = raw->resume.relapse_factor;
	p->resume_canaries = raw->resume.canaries;
	p->resume_max_wait_ms = raw->resume.max_wait_ms;
	p->flap_window_ms = raw->resume.flap_window_ms;
	c->interval_ms = raw->check.interval_ms;
	c->timeout_ms = raw->check.timeout_ms;
	c->tries = raw->check.tries;
	c->parallel = raw->check.parallel;
	c->confirm_delay_ms = raw->check.confirm_delay_ms;
	c->state_file = xstrdup(raw->state_file);
	read_postfix(c, raw, f, errs);
	c->user = xstrdup(raw->user);
	c->user_given = raw->user_given;
	c->egress_given = raw->egress.count > 0;
	read_resolvers(c, &raw->check, errs);
	read_listen(c, &raw->listen, raw->local_domains.given, f, errs);
	read_redis(c, &raw->redis, f, errs);
	read_local(p, raw);
	read_domains(p, &raw->domains, errs);
	if (c->egress_given) {
		add_egresses(p, &raw->egress, errs);
		add_pools(p, &raw->pools, errs);
		add_routes(p, &raw->routes, errs);
	} else if (raw->pools.count > 0 || raw->routes.count > 0) {
		errors_add(errs, raw->pools.count > 0 ? &raw->pools.at :
		    &raw->routes.at, "pools and routes need egress = ( ... )");
	}
	if (raw->state_file[0] != '\0' && raw->state_file[0] != '/')
		errors_add(errs, &at, "state_file: \"%s\": must be "
		    "an absolute path, or \"\" for none", raw->state_file);
	read_hooks(c, raw, f, errs);
	read_lists(c, raw, f, errs);
}

struct config *
config_load(const char *path, struct errors *errs)
{
	struct config *c = xcalloc(1, sizeof(*c));
	struct file raw = { 0 };
	struct schema_file *f;

	c->policy = policy_new();
	c->file = xstrdup(path);
	f = schema_read(path, config_schema, &raw, errs);
	/* A file that could not be parsed says nothing else of use. */
	if (raw.head.given)
		fill(c, &raw, f, errs);
	schema_free(config_schema, &raw);
	schema_close(f);
	if (errs->error_count > 0) {
		config_free(c);
		return NULL;
	}
	return c;
}

void
config_free(struct config *c)
{
	if (c == NULL)
		return;
	policy_unref(c->policy);
	free(c->resolvers);
	free(c->socket_group);
	free(c->redis_prefix);
	free(c->redis_username);
	free(c->redis_password);
	free(c->redis_password_file);
	free(c->redis_tls_ca);
	free(c->redis_tls_cert);
	free(c->redis_tls_key);
	free(c->redis_tls_server_name);
	free(c->redis_sentinels);
	free(c->redis_master_name);
	free(c->redis_sentinel_username);
	free(c->redis_sentinel_password);
	free(c->state_file);
	free(c->gate_file);
	free(c->postfix_config);
	free(c->hooks);
	free(c->user);
	free(c->file);
	free(c);
}

void
config_set_host_egress(struct config *c, const struct addr *addrs,
    size_t count, struct errors *errs)
{
	struct position at = { c->file, 0 };
	struct policy *p = c->policy;
	char text[ADDR_TEXT_MAX];
	struct egress *e;
	size_t i;

	p->egress = xcalloc(1, sizeof(*p->egress));
	p->egress_count = 1;
	e = p->egress;
	e->name = xstrdup(DEFAULT_NAME);
	e->transports = xcalloc(1, sizeof(*e->transports));
	e->transports[0] = xstrdup("smtp");
	e->transport_count = 1;
	e->weight = 1;
	e->traffic = xcalloc(1, sizeof(*e->traffic));
	e->addrs = xcalloc(count, sizeof(*e->addrs));
	for (i = 0; i < count; i++) {
		if (addr_scope(&addrs[i]) == ADDR_GLOBAL) {
			e->addrs[e->addr_count++] = addrs[i];
			continue;
		}
		errors_warn(errs, &at, "this host sends from %s, which is "
		    "not a public address: behind NAT the public one must be "
		    "named: egress = ( { name = \"mx1\"; addresses = "
		    "[\"203.0.113.7\"]; } );", addr_text(&addrs[i], text));
	}
	e->watched = e->addr_count > 0;
	if (count == 0)
		errors_warn(errs, &at, "this host has no default route, so "
		    "its address is not known: name it with egress = "
		    "( { name = \"mx1\"; addresses = [\"203.0.113.7\"]; } );");
	new_pool(p, DEFAULT_NAME);
	pool_add_egress(p, 0, 0);
}
