/*
 * maps.c - what the maps of the socketmap service answer
 */
#include "front/maps.h"

#include <assert.h>
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "core/decide.h"
#include "front/front.h"

#define KEY_MAX		1100	/* a long address and its quotes */
#define TRANSPORT_MAX	90	/* longer ones end Postfix' queue manager */

static const char *const map_names[] = {
	"route", "filter", "rcptroute", "gate", "brake", "reroute",
};

static_assert(sizeof(map_names) / sizeof(map_names[0]) == MAP_KINDS,
    "a name for every map");

struct map_stats	map_stats[MAP_KINDS];
struct map_stats	map_unknown;

struct request {
	const struct view	*view;
	char			 key[KEY_MAX];
	int64_t			 now_ms;
	char			*answer;
	size_t			 size;
};

const char *
map_name(enum map_kind kind)
{
	return map_names[kind];
}

static bool
asked_lately(enum map_kind kind, int64_t now_ms)
{
	int64_t last = atomic_load_explicit(&map_stats[kind].last_ms,
	    memory_order_relaxed);

	/* On either side: after the clock was set back the last request lies
	 * ahead, and would for as long as it was set. */
	return last != 0 && now_ms - last < MAPS_LIVE_MS &&
	    last - now_ms < MAPS_LIVE_MS;
}

bool
maps_routed(int64_t now_ms)
{
	return asked_lately(MAP_ROUTE, now_ms) ||
	    asked_lately(MAP_FILTER, now_ms) ||
	    asked_lately(MAP_REROUTE, now_ms);
}

static void
count(struct map_stats *s, int64_t now_ms)
{
	atomic_fetch_add_explicit(&s->requests, 1, memory_order_relaxed);
	atomic_store_explicit(&s->last_ms, now_ms, memory_order_relaxed);
}

static size_t reply(struct request *, const char *, ...)
    __attribute__((format(printf, 2, 3)));

static size_t
reply(struct request *r, const char *fmt, ...)
{
	va_list ap;
	char *p;
	int len;

	va_start(ap, fmt);
	len = vsnprintf(r->answer, r->size, fmt, ap);
	va_end(ap);
	/* What does not fit is no answer at all: half a transport is
	 * another one. */
	if (len < 0 || (size_t)len >= r->size)
		len = snprintf(r->answer, r->size, "TEMP answer too long");
	/* Names of maps and keys may hold anything, and are repeated. */
	for (p = r->answer; *p != '\0'; p++) {
		if (*p < ' ' || *p > '~')
			*p = '?';
	}
	return (size_t)len;
}

static size_t
not_found(struct request *r)
{
	return reply(r, "NOTFOUND ");
}

static void
count_verdict(const struct verdict *d)
{
	struct front_stats *st = &front_stats[FRONT_SOCKETMAP];

	atomic_fetch_add_explicit(&st->by_action[d->act], 1,
	    memory_order_relaxed);
	if (d->would != d->act)
		atomic_fetch_add_explicit(&st->would[d->would], 1,
		    memory_order_relaxed);
}

static struct verdict
ask(const struct request *r, const struct envelope *env)
{
	struct verdict d = decide(r->view, env, r->now_ms);

	count_verdict(&d);
	return d;
}

/* "retry:4.7.1 why": Postfix keeps what it has and refuses what is new. */
static size_t
retry(struct request *r, const struct verdict *d)
{
	char text[VERDICT_TEXT_MAX];

	verdict_text(r->view, d, text);
	return reply(r, "OK retry:4.7.1 %s", text);
}

static bool
transport_ok(const char *name)
{
	size_t len = strlen(name), i;

	for (i = 0; i < len; i++) {
		if (name[i] <= ' ' || name[i] > '~' || name[i] == ':')
			return false;
	}
	return len > 0 && len <= TRANSPORT_MAX;
}

/* Never anything but the name of a transport that the configuration has.
 * Without one the mail waits: by default it might take the way that is
 * stopped. */
static size_t
transport(struct request *r, int egress, const char *nexthop)
{
	const struct egress *e = &r->view->policy->egress[egress];

	if (e->transport_count == 0 || !transport_ok(e->transports[0]))
		return reply(r, "TEMP egress \"%.64s\" of mailbrake.conf has "
		    "no transport that Postfix can use", e->name);
	return reply(r, "OK %s:%s", e->transports[0],
	    e->nexthop != NULL ? e->nexthop : nexthop);
}

/* --- route --------------------------------------------------------------- */

/* The null sender comes as "<>", and with the quotes first when smtpd asks
 * where the sender's own mail would go. */
static const char *
sender_of(const char *key)
{
	return strcmp(key, "<>") == 0 || strcmp(key, "\"<>\"") == 0 ? "" : key;
}

static size_t
answer_route(struct request *r, const char *egress)
{
	const struct policy *p = r->view->policy;
	struct envelope env = { .sender = sender_of(r->key),
	    .asker = ASK_ROUTE };
	struct verdict d = ask(r, &env);

	(void)egress;
	if (d.act == ACT_TEMPFAIL)
		return retry(r, &d);
	/* With one way out the site's own configuration knows it best. */
	if (p->egress_count < 2 || d.egress == -1)
		return not_found(r);
	return transport(r, d.act == ACT_REROUTE ? d.to : d.egress, "");
}

/* --- filter -------------------------------------------------------------- */

/* The key again, as it came: what the site's own table says. */
static size_t
same(struct request *r)
{
	const char *p;

	for (p = r->key; *p != '\0'; p++) {
		if (*p < ' ' || *p > '~')
			return reply(r, "TEMP \"%.100s\" has letters that "
			    "no transport has", r->key);
	}
	return reply(r, "OK %s", r->key);
}

static size_t
answer_filter(struct request *r, const char *egress)
{
	/* The colon may be left out, as in default_transport. */
	size_t len = strcspn(r->key, ":");
	char name[TRANSPORT_MAX + 1];
	struct envelope env = { .transport = name, .asker = ASK_ROUTE };
	struct verdict d;

	(void)egress;
	/* Without a transport Postfix would ask itself for ever, and one that
	 * is too long ends its queue manager. */
	if (len == 0)
		return reply(r, "TEMP \"%.100s\" names no transport: write "
		    "one before the colon", r->key);
	if (len > TRANSPORT_MAX)
		return reply(r, "TEMP \"%.100s...\" is too long for a "
		    "transport", r->key);
	snprintf(name, sizeof(name), "%.*s", (int)len, r->key);
	if (policy_find_transport(r->view->policy, name) == -1)
		return same(r);
	d = ask(r, &env);
	if (d.act == ACT_TEMPFAIL)
		return retry(r, &d);
	if (d.act == ACT_REROUTE)
		return transport(r, d.to, r->key[len] == ':' ?
		    r->key + len + 1 : "");
	return same(r);
}

/* --- rcptroute ----------------------------------------------------------- */

/* Only what a route names by its recipient and nothing else: transport_maps
 * would send local mail to the Internet otherwise. */
static bool
routed_by_recipient(const struct policy *p, const char *recipient)
{
	const char *domain = text_domain(recipient);
	size_t i;

	for (i = 0; i < p->local_domain_count; i++) {
		if (text_same(p->local_domains[i], domain))
			return false;
	}
	for (i = 0; i < p->route_count; i++) {
		const struct route *o = &p->routes[i];

		if (o->recipient == NULL || o->sender != NULL ||
		    o->account != NULL)
			continue;
		if (o->recipient[0] == '@' ?
		    text_same(o->recipient + 1, domain) :
		    text_same(o->recipient, recipient))
			return true;
	}
	return false;
}

int
maps_home(const struct view *v, const char *sender, const char *recipient,
    int64_t now_ms)
{
	struct envelope env = { .asker = ASK_ROUTE };

	if (!asked_lately(MAP_ROUTE, now_ms) ||
	    asked_lately(MAP_FILTER, now_ms))
		return -1;
	if (asked_lately(MAP_RCPTROUTE, now_ms) &&
	    routed_by_recipient(v->policy, recipient))
		env.recipient = recipient;
	else
		env.sender = text_same(sender, "mailer-daemon") ? "" : sender;
	return decide(v, &env, now_ms).home;
}

static size_t
answer_rcptroute(struct request *r, const char *egress)
{
	struct envelope env = { .recipient = r->key, .asker = ASK_ROUTE };
	const struct policy *p = r->view->policy;
	struct verdict d;

	(void)egress;
	if (strchr(r->key, '@') == NULL ||
	    !routed_by_recipient(p, r->key))
		return not_found(r);
	d = ask(r, &env);
	if (d.act == ACT_TEMPFAIL)
		return retry(r, &d);
	if (p->egress_count < 2 || d.egress == -1)
		return not_found(r);
	return transport(r, d.act == ACT_REROUTE ? d.to : d.egress, "");
}

/* --- gate ----------------------------------------------------------------- */

/* In probation each delivery that goes is counted, so that the next knows
 * what is left; of two that ask at once only one takes the last. */
static struct verdict
ask_gate(struct request *r, int egress, const char *sender,
    const char *recipient, bool counts)
{
	const struct egress *e = &r->view->policy->egress[egress];
	uint64_t before = r->view->egress[egress].delivered_before;
	struct envelope env = { .sender = sender, .recipient = recipient,
	    .transport = e->transport_count > 0 ? e->transports[0] : NULL,
	    .asker = ASK_GATE };
	uint64_t seen = atomic_load_explicit(&e->traffic->delivered,
	    memory_order_relaxed);
	struct verdict d;

	do {
		/* What is not counted follows what was, and went. */
		env.let_out = counts ? seen - before : 0;
		d = decide(r->view, &env, r->now_ms);
	} while (d.act == ACT_PASS && counts &&
	    !atomic_compare_exchange_weak_explicit(&e->traffic->delivered,
	    &seen, seen + 1, memory_order_relaxed, memory_order_relaxed));
	count_verdict(&d);
	return d;
}

/* smtp(8) asks for the domain and then, as long as there is nothing, for its
 * parents with a dot before them; an explicit next hop comes as
 * "[host]:port".  An answer that is no security level makes it put off the
 * delivery, and the log shows the word. */
static size_t
answer_gate(struct request *r, const char *egress)
{
	char recipient[KEY_MAX + 1];
	struct verdict d;
	int e = policy_find_egress(r->view->policy, egress);

	if (e == -1) {
		count(&map_unknown, r->now_ms);
		return reply(r, "TEMP mailbrake.conf has no egress \"%.64s\"",
		    egress);
	}
	atomic_store_explicit(&r->view->policy->egress[e].traffic->gate_ms,
	    r->now_ms, memory_order_relaxed);
	snprintf(recipient, sizeof(recipient), "@%s", r->key);
	d = ask_gate(r, e, NULL, r->key[0] == '[' || r->key[0] == '.' ?
	    NULL : recipient, r->key[0] != '.');
	if (d.act == ACT_PASS)
		return not_found(r);
	return reply(r, "OK stopped-by-mailbrake-%s", why_name(d.why));
}

/* --- Sendmail ------------------------------------------------------------- */

/* A bounce of its own is from MAILER-DAEMON, which no mail is sent as. */
static char *
sendmail_sender(char *sender)
{
	return text_same(sender, "mailer-daemon") ? sender + strlen(sender) :
	    sender;
}

/*
 * "<sender> <recipient>", both as Sendmail has them then: without quotes, so
 * that "> <" may be in either, and the recipient's domain with a dot behind.
 * That domain is told for sure, as it stands last.  False for other keys.
 */
static bool
split_pair(char *key, char **sender, char **recipient)
{
	size_t len = strlen(key);
	char *at, *middle = NULL;

	for (at = key; (at = strstr(at, "> <")) != NULL; at++)
		middle = at;
	if (middle == NULL || key[0] != '<' || key[len - 1] != '>')
		return false;
	key[len - 1] = '\0';
	if (key[len - 2] == '.')
		key[len - 2] = '\0';
	*middle = '\0';
	*sender = sendmail_sender(key + 1);
	*recipient = middle + 3;
	return true;
}

static char *
unbracket(char *s)
{
	size_t len = strlen(s);

	if (len >= 2 && s[0] == '<' && s[len - 1] == '>') {
		s[len - 1] = '\0';
		s++;
	}
	return s;
}

static bool
same_in_sendmail(const char *name, const char *theirs)
{
	for (; *name != '\0' && *theirs != '\0'; name++, theirs++) {
		if (*name != *theirs && (*theirs != '_' ||
		    isalnum((unsigned char)*name)))
			return false;
	}
	return *name == *theirs;
}

/* The one that is exactly so called comes first. */
static int
find_sendmail_egress(const struct policy *p, const char *name)
{
	int e = policy_find_egress(p, name);
	size_t i;

	for (i = 0; e == -1 && i < p->egress_count; i++) {
		if (same_in_sendmail(p->egress[i].name, name))
			e = (int)i;
	}
	return e;
}

static size_t
answer_brake(struct request *r, const char *egress)
{
	const struct policy *p = r->view->policy;
	char text[VERDICT_TEXT_MAX], *sender = NULL, *recipient, *c;
	struct envelope local;
	struct verdict d;
	int e = 0;

	if (*egress != '\0')
		e = find_sendmail_egress(p, egress);
	if (e == -1 || p->egress_count == 0) {
		count(&map_unknown, r->now_ms);
		return reply(r, "TEMP mailbrake.conf has no egress \"%.64s\"",
		    egress);
	}
	if (!split_pair(r->key, &sender, &recipient))
		recipient = unbracket(r->key);
	/* Its transport says nothing of whether the mail is local. */
	local = (struct envelope){ .recipient = recipient };
	if (decide(r->view, &local, r->now_ms).why == WHY_LOCAL)
		return reply(r, "OK PASS");
	atomic_store_explicit(&p->egress[e].traffic->gate_ms, r->now_ms,
	    memory_order_relaxed);
	d = ask_gate(r, e, sender, recipient, true);
	if (d.act == ACT_PASS)
		return reply(r, "OK PASS");
	/* Without the quotes Sendmail would drop what is in parentheses, and
	 * fail on one alone. */
	verdict_text(r->view, &d, text);
	for (c = text; *c != '\0'; c++) {
		if (*c == '"' || *c == '\\')
			*c = '\'';
	}
	return reply(r, "OK LISTED \"%s\"", text);
}

/* What goes into a rule of Sendmail's: a bracket or a quote would make it
 * refuse the address for good. */
static bool
is_mailer(const char *s)
{
	size_t i;

	for (i = 0; s[i] != '\0'; i++) {
		if (!isalnum((unsigned char)s[i]) && s[i] != '_' &&
		    s[i] != '-')
			return false;
	}
	return i > 0 && i <= TRANSPORT_MAX;
}

/* Only where to; what may not go at all is kept by the gate, and told by the
 * milter. */
static size_t
answer_reroute(struct request *r, const char *egress)
{
	const struct policy *p = r->view->policy;
	struct envelope env = { .asker = ASK_ROUTE };
	char *sender, *recipient;
	const struct egress *e;
	struct verdict d;
	int way;

	(void)egress;
	if (!split_pair(r->key, &sender, &recipient))
		return not_found(r);
	env.sender = sender;
	env.recipient = recipient;
	d = ask(r, &env);
	way = d.act == ACT_REROUTE ? d.to : d.egress;
	if (d.act == ACT_TEMPFAIL || d.act == ACT_HOLD ||
	    d.why == WHY_LOCAL || p->egress_count < 2 || way == -1)
		return not_found(r);
	e = &p->egress[way];
	if (e->transport_count == 0 || !is_mailer(e->transports[0]))
		return not_found(r);
	return reply(r, "OK %s", e->transports[0]);
}

/* --- which map ------------------------------------------------------------ */

static const struct {
	const char	*name;
	bool		 of_egress;	/* followed by "-EGRESS" */
	enum map_kind	 kind;
	size_t		(*answer)(struct request *, const char *egress);
	const char	*invalid;	/* in place of a key that is none */
} maps[] = {
	{ "route",	false,	MAP_ROUTE,	answer_route,	"<>" },
	{ "filter",	false,	MAP_FILTER,	answer_filter,	":" },
	{ "rcptroute",	false,	MAP_RCPTROUTE,	answer_rcptroute, "@" },
	{ "gate-",	true,	MAP_GATE,	answer_gate,	"[invalid]" },
	{ "brake",	false,	MAP_BRAKE,	answer_brake,	"@[invalid]" },
	{ "brake_",	true,	MAP_BRAKE,	answer_brake,	"@[invalid]" },
	{ "reroute",	false,	MAP_REROUTE,	answer_reroute,	"@[invalid]" },
};

/* False for what no address and no domain can be. */
static bool
take_key(struct request *r, const char *key, size_t len)
{
	size_t i;

	if (len == 0 || len >= sizeof(r->key))
		return false;
	for (i = 0; i < len; i++) {
		if ((unsigned char)key[i] < ' ' || key[i] == '\x7f')
			return false;
	}
	memcpy(r->key, key, len);
	r->key[len] = '\0';
	return true;
}

size_t
maps_answer(struct board *board, const char *name, const char *key,
    size_t key_len, char *answer, size_t size)
{
	struct request r = { .now_ms = clock_wall_ms(), .answer = answer,
	    .size = size };
	struct front_stats *st = &front_stats[FRONT_SOCKETMAP];
	const char *egress = "";
	size_t i, len;

	atomic_fetch_add_explicit(&st->requests, 1, memory_order_relaxed);
	atomic_store_explicit(&st->last_ms, r.now_ms, memory_order_relaxed);
	for (i = 0; i < sizeof(maps) / sizeof(maps[0]); i++) {
		len = strlen(maps[i].name);
		if (maps[i].of_egress ? strncmp(name, maps[i].name, len) ==
		    0 && name[len] != '\0' : strcmp(name, maps[i].name) == 0)
			break;
	}
	if (i == sizeof(maps) / sizeof(maps[0])) {
		count(&map_unknown, r.now_ms);
		return reply(&r, "TEMP mailbrake has no map \"%.64s\"", name);
	}
	if (maps[i].of_egress)
		egress = name + len;
	count(&map_stats[maps[i].kind], r.now_ms);
	/* A key that cannot be understood is that of a stranger, and its mail
	 * is stopped like any other. */
	if (!take_key(&r, key, key_len))
		strcpy(r.key, maps[i].invalid);
	r.view = board_view_get(board);
	r.now_ms = clock_wall_when(r.view->clock_ms);
	len = maps[i].answer(&r, egress);
	view_put(r.view);
	return len;
}
