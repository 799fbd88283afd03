/*
 * redis_mirror.c - what is only written: states, lists, events
 *
 * For each key there is what it should hold (want) and what Redis is known
 * to hold (have).  Their difference is sent, some keys at a time, as one
 * transaction.  Where have is not known (after a connect, an error, a sign
 * that somebody removed the key) the key is deleted and written whole in
 * the same transaction, which also clears away what an earlier life of ours
 * left behind.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/buffer.h>

#include "base/clock.h"
#include "base/domain.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "store/redis_parts.h"

#define EVENTS_MAX		1000
#define EVENTS_SENT_MAX		64
#define EVENTS_LENGTH		"10000"
#define CHECKED_SLACK		30	/* seconds */
#define STOPPED_UNKNOWN		(-1)

/* Fields and values of a hash: "field\0value\0field\0value\0...". */
struct fields {
	int	 references;
	size_t	 len;
	char	 text[];
};

struct mirror {
	struct table_entry	 entry;	/* first; "state:mx1" */
	TAILQ_ENTRY(mirror)	 link;
	bool			 queued;
	unsigned int		 generation;
	struct fields		*want;	/* NULL: no such key */
	struct fields		*have;	/* NULL: unknown */
	int64_t			 checked;	/* in want; Unix seconds */
	uint64_t		 print;	/* of what want was made from */

	/* state:* only: its place in "stopped".  The name of an egress, or
	 * "domain:example.org". */
	const char		*egress;	/* in entry.name, or NULL */
	int64_t			 stopped_want;	/* since; 0: it is not */
	int64_t			 stopped_have;
	/* The board does not say since when an override is in force. */
	bool			 shown;
	enum state		 shown_state;
	int64_t			 shown_since_ms;
};

/* What one command of a transaction was for. */
struct batch_part {
	struct mirror	*mirror;
	bool		 stopped;	/* ZADD or ZREM */
	int64_t		 new_fields;	/* that HSET creates; else -1 */
};

struct kept_event {
	TAILQ_ENTRY(kept_event)	 link;
	bool			 sent;
	struct board_event	 event;
};

/* The parts of one request. */
struct words {
	const char	*v[REDIS_ARGS_MAX];
	size_t		 count;
};

/* --- fields ------------------------------------------------------------ */

static struct fields *
fields_ref(struct fields *f)
{
	f->references++;
	return f;
}

static void
fields_unref(struct fields *f)
{
	if (f != NULL && --f->references == 0)
		free(f);
}

static void	put_field(struct evbuffer *, const char *, const char *, ...)
		    __attribute__((__format__(__printf__, 3, 4)));

static void
put_field(struct evbuffer *out, const char *name, const char *fmt, ...)
{
	va_list ap;

	evbuffer_add(out, name, strlen(name) + 1);
	va_start(ap, fmt);
	evbuffer_add_vprintf(out, fmt, ap);
	va_end(ap);
	evbuffer_add(out, "", 1);
}

/* Empties the buffer. */
static struct fields *
fields_take(struct evbuffer *in)
{
	size_t len = evbuffer_get_length(in);
	struct fields *f = xcalloc(1, sizeof(*f) + len);

	f->references = 1;
	f->len = len;
	evbuffer_remove(in, f->text, len);
	return f;
}

static const char *
next_string(const char *s)
{
	return s + strlen(s) + 1;
}

/* The value of a field, or NULL. */
static const char *
fields_get(const struct fields *f, const char *name)
{
	const char *field, *value;

	for (field = f->text; field < f->text + f->len;
	    field = next_string(value)) {
		value = next_string(field);
		if (strcmp(field, name) == 0)
			return value;
	}
	return NULL;
}

static bool
fields_same(const struct fields *a, const struct fields *b)
{
	return a != NULL && b != NULL && a->len == b->len &&
	    memcmp(a->text, b->text, a->len) == 0;
}

/* --- mirrors ----------------------------------------------------------- */

static struct mirror *
next_mirror(const struct redis *r, const struct mirror *m)
{
	return (struct mirror *)(m == NULL ? table_first(&r->m.table) :
	    table_next(&r->m.table, &m->entry));
}

static void
mirror_free(struct redis *r, struct mirror *m)
{
	table_remove(&r->m.table, &m->entry);
	fields_unref(m->want);
	fields_unref(m->have);
	free(m);
}

static void
mirror_queue(struct redis *r, struct mirror *m)
{
	if (m->queued)
		return;
	m->queued = true;
	TAILQ_INSERT_TAIL(&r->m.dirty, m, link);
}

static struct mirror *
mirror_get(struct redis *r, const char *prefix, const char *name)
{
	char *key = xasprintf("%s%s", prefix, name);
	struct mirror *m = (struct mirror *)table_find(&r->m.table, key);

	if (m == NULL) {
		m = xcalloc(1, sizeof(*m));
		table_add(&r->m.table, &m->entry, key);
		if (strncmp(key, "state:", 6) == 0)
			m->egress = m->entry.name + 6;
		m->stopped_have = m->egress != NULL ? STOPPED_UNKNOWN : 0;
	}
	m->generation = r->m.generation;
	free(key);
	return m;
}

/* Takes over f. */
static void
mirror_want(struct redis *r, struct mirror *m, struct fields *f,
    int64_t checked, int64_t stopped)
{
	if (fields_same(m->want, f) && m->stopped_want == stopped) {
		fields_unref(f);
		return;
	}
	fields_unref(m->want);
	m->want = f;
	m->checked = checked;
	m->stopped_want = stopped;
	mirror_queue(r, m);
}

/* --- the board --------------------------------------------------------- */

/* Who has an address; sorted by address. */
struct holder {
	const struct addr	*addr;
	size_t			 egress;
};

/* What follows from a policy alone; kept until there is another one. */
struct outline {
	struct policy		*policy;	/* one reference */
	struct holder		*holders;
	size_t			 holder_count;
	struct mirror		**egress;	/* one for each */
};

/* What is found while walking the board. */
struct gathering {
	const struct board	*board;
	const struct policy	*policy;
	const struct outline	*outline;
	/* Confirmed listings by egress: indexes into found, and their
	 * chains. */
	struct {
		const struct listing	*listing;
		size_t			 next;	/* plus one; 0: the last */
	}			*found;
	size_t			 found_count;
	size_t			*first;		/* by egress, plus one; then
						 * by sender domain */
	int64_t			 now_ms;
	struct evbuffer		*out;
};

static int
holder_cmp(const void *a, const void *b)
{
	return addr_cmp(((const struct holder *)a)->addr,
	    ((const struct holder *)b)->addr);
}

/* The first holder of an address, or holder_count. */
static size_t
find_holder(const struct outline *o, const struct addr *addr)
{
	size_t low = 0, high = o->holder_count, mid;

	while (low < high) {
		mid = low + (high - low) / 2;
		if (addr_cmp(o->holders[mid].addr, addr) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static void
outline_free(struct outline *o)
{
	if (o == NULL)
		return;
	policy_unref(o->policy);
	free(o->holders);
	free(o->egress);
	free(o);
}

static struct outline *
outline_new(struct redis *r, struct policy *p)
{
	struct outline *o = xcalloc(1, sizeof(*o));
	size_t i, k, count = 0;

	o->policy = policy_ref(p);
	o->egress = xcalloc(p->egress_count, sizeof(*o->egress));
	for (i = 0; i < p->egress_count; i++) {
		o->egress[i] = mirror_get(r, "state:", p->egress[i].name);
		count += p->egress[i].addr_count;
	}
	o->holders = xcalloc(count, sizeof(*o->holders));
	for (i = 0; i < p->egress_count; i++) {
		for (k = 0; k < p->egress[i].addr_count; k++) {
			o->holders[o->holder_count].addr =
			    &p->egress[i].addrs[k];
			o->holders[o->holder_count++].egress = i;
		}
	}
	qsort(o->holders, o->holder_count, sizeof(*o->holders), holder_cmp);
	return o;
}

static void
chain_listing(struct gathering *g, size_t egress, const struct listing *l,
    size_t *room)
{
	if (g->found_count == *room) {
		*room = *room == 0 ? 64 : *room * 2;
		g->found = xreallocarray(g->found, *room, sizeof(*g->found));
	}
	g->found[g->found_count].listing = l;
	g->found[g->found_count].next = g->first[egress];
	g->first[egress] = ++g->found_count;
}

/* Every egress gets a chain of its listings, in the order of the board: a
 * chain grows at its head, so the board is walked from its end. */
static void
gather_listings(struct gathering *g)
{
	const struct outline *o = g->outline;
	size_t i, h, count = board_listing_count(g->board), room = 0;
	const struct listing *l;
	const struct subject *s;

	g->first = xcalloc(g->policy->egress_count +
	    g->policy->domain_count, sizeof(*g->first));
	for (i = count; i-- > 0;) {
		l = board_listing(g->board, i);
		s = board_subject(g->board, l->subject);
		if (!l->confirmed || l->list >= g->policy->list_count)
			continue;
		if (s->kind == SUBJECT_DOMAIN) {
			/* The domain of the greeting; few are listed. */
			for (h = 0; h < g->policy->egress_count; h++) {
				if (text_same(s->domain,
				    g->policy->egress[h].helo_domain))
					chain_listing(g, h, l, &room);
			}
			for (h = 0; h < g->policy->domain_count; h++) {
				if (text_same(s->domain,
				    g->policy->domains[h].asked))
					chain_listing(g,
					    g->policy->egress_count + h, l,
					    &room);
			}
			continue;
		}
		for (h = find_holder(o, &s->addr); h < o->holder_count &&
		    addr_cmp(o->holders[h].addr, &s->addr) == 0; h++)
			chain_listing(g, o->holders[h].egress, l, &room);
	}
}

static const char *
zone_of(const struct gathering *g, const struct listing *l)
{
	/* As configured: the one that is asked may hold a key. */
	return g->policy->lists[l->list].zone;
}

/* An egress or a sender domain, as it is now. */
struct party_now {
	size_t			 chain;	/* index into first */
	const struct standing	*st;
	enum state		 state;	/* with overrides */
	const struct override	*by;	/* that decides, or NULL */
	bool			 is_egress;	/* has what follows */
	bool			 blind;
	int64_t			 checked;	/* Unix seconds */
};

/* One sentence on why the state is what it is.  Short: the fields of the
 * listings say more, and a hash with a value of more than 64 bytes takes
 * twice the memory (hash-max-listpack-value). */
static void
reason_of(const struct gathering *g, const struct party_now *now, char *buf,
    size_t size)
{
	const struct override *by = now->by;
	enum state state = now->state;
	const struct listing *l, *worst = NULL;
	char code[ADDR_TEXT_MAX];
	struct addr addr;
	size_t i, count = 0;
	int n;

	if (by != NULL) {
		snprintf(buf, size, "an operator said %s for %s%s%s",
		    word_name(by->word), by->target,
		    by->reason[0] != '\0' ? ": " : "", by->reason);
		return;
	}
	for (i = g->first[now->chain]; i != 0; i = g->found[i - 1].next) {
		l = g->found[i - 1].listing;
		count++;
		if (worst == NULL || l->seen.weight > worst->seen.weight)
			worst = l;
	}
	if (worst != NULL) {
		addr = addr_from_ipv4(worst->seen.code);
		n = snprintf(buf, size, "listed by %s (%s)",
		    zone_of(g, worst), worst->seen.name[0] != '\0' ?
		    worst->seen.name : addr_text(&addr, code));
		if (count > 1 && n > 0 && (size_t)n < size)
			n += snprintf(buf + n, size - (size_t)n,
			    " and %zu more", count - 1);
		if (state == STATE_SENDING && n > 0 && (size_t)n < size)
			snprintf(buf + n, size - (size_t)n,
			    ", not enough to stop");
	} else if (state == STATE_STOPPED) {
		snprintf(buf, size, "no longer listed; it has to stay so for "
		    "a while");
	} else if (state == STATE_PROBATION) {
		snprintf(buf, size, "no longer listed; a growing share of "
		    "the mail goes out");
	} else if (now->blind) {
		snprintf(buf, size, "nothing is known against it, but not "
		    "every list is seen");
	} else {
		snprintf(buf, size, "nothing is known against it");
	}
}

/* True if an earlier one of the egress' chain is of the same list. */
static bool
zone_seen(const struct gathering *g, size_t egress, size_t until)
{
	size_t i, list = g->found[until - 1].listing->list;

	for (i = g->first[egress]; i != until; i = g->found[i - 1].next) {
		if (g->found[i - 1].listing->list == list)
			return true;
	}
	return false;
}

static void
put_listing(const struct gathering *g, size_t egress, size_t at)
{
	const struct listing *l = g->found[at - 1].listing;
	char buf[ADDR_TEXT_MAX], code[ADDR_TEXT_MAX];
	struct addr addr = addr_from_ipv4(l->seen.code);
	const char *subject = subject_text(board_subject(g->board,
	    l->subject), buf);
	char *field;

	if (zone_seen(g, egress, at))
		field = xasprintf("l:%s/%s", zone_of(g, l), subject);
	else
		field = xasprintf("l:%s", zone_of(g, l));
	put_field(g->out, field, "%s %s %s since=%lld%s%s", subject,
	    addr_text(&addr, code), l->seen.name[0] != '\0' ?
	    l->seen.name : "-", (long long)(l->since_ms / 1000),
	    l->text[0] != '\0' ? " " : "", l->text);
	free(field);
}

/* Nothing to tell but that it sends: with thousands of them that is to be
 * told in few words. */
static bool
is_plain(const struct gathering *g, const struct party_now *now)
{
	return now->state == STATE_SENDING && now->st->state == STATE_SENDING &&
	    now->st->score == 0 && now->by == NULL && !now->blind &&
	    g->first[now->chain] == 0;
}

/* What state:<egress> or state:domain:<name> should hold. */
static struct fields *
state_fields(const struct gathering *g, const struct mirror *m,
    const struct party_now *now, const char *host)
{
	const struct standing *st = now->st;
	char reason[BOARD_NAME_MAX + BOARD_REASON_MAX + 128];
	int64_t until = now->by != NULL ? now->by->until_ms :
	    m->shown_state == st->state ? st->until_ms : 0;
	size_t i;

	put_field(g->out, "state", "%s", state_name(m->shown_state));
	put_field(g->out, "since", "%lld",
	    (long long)(m->shown_since_ms / 1000));
	if (now->is_egress)
		put_field(g->out, "checked", "%lld",
		    (long long)now->checked);
	put_field(g->out, "host", "%s", host);
	if (is_plain(g, now))
		return fields_take(g->out);
	reason_of(g, now, reason, sizeof(reason));
	put_field(g->out, "score", "%d", st->score);
	put_field(g->out, "until", "%lld", (long long)(until / 1000));
	if (now->is_egress)
		put_field(g->out, "blind", "%d", now->blind);
	put_field(g->out, "reason", "%s", reason);
	for (i = g->first[now->chain]; i != 0; i = g->found[i - 1].next)
		put_listing(g, now->chain, i);
	return fields_take(g->out);
}

static uint64_t
print_text(uint64_t print, const char *text)
{
	return table_hash(print, text, strlen(text) + 1);
}

/* A fingerprint of all that state_fields() looks at, but for checked: most
 * egresses are as they were, and comparing is cheaper than writing. */
static uint64_t
state_print(const struct gathering *g, const struct mirror *m,
    const struct party_now *now)
{
	const struct override *by = now->by;
	const struct standing *st = now->st;
	const struct listing *l;
	int64_t numbers[] = { m->shown_state, m->shown_since_ms, st->state,
	    st->score, st->until_ms, now->blind,
	    by != NULL ? (int64_t)by->word : -1,
	    by != NULL ? by->until_ms : 0 };
	uint64_t print = table_hash(0, numbers, sizeof(numbers));
	size_t i;

	if (by != NULL)
		print = print_text(print_text(print, by->target), by->reason);
	for (i = g->first[now->chain]; i != 0; i = g->found[i - 1].next) {
		l = g->found[i - 1].listing;
		print = table_hash(print, &l->subject, sizeof(l->subject));
		print = table_hash(print, &l->since_ms, sizeof(l->since_ms));
		print = table_hash(print, &l->seen.code,
		    sizeof(l->seen.code));
		print = table_hash(print, &l->seen.weight,
		    sizeof(l->seen.weight));
		print = print_text(print, zone_of(g, l));
		print = print_text(print, l->seen.name);
		print = print_text(print, l->text);
	}
	return print;
}

static void
put_party(struct redis *r, const struct gathering *g, struct mirror *m,
    const struct party_now *now)
{
	uint64_t print;

	m->generation = r->m.generation;
	if (now->state == now->st->state)
		m->shown_since_ms = now->st->since_ms;
	else if (!m->shown || m->shown_state != now->state)
		m->shown_since_ms = g->now_ms;
	m->shown = true;
	m->shown_state = now->state;
	/* A look that changed nothing is not worth a write each time. */
	print = state_print(g, m, now);
	if (m->want != NULL && print == m->print &&
	    now->checked >= m->checked &&
	    now->checked - m->checked < CHECKED_SLACK)
		return;
	m->print = print;
	mirror_want(r, m, state_fields(g, m, now, r->host), now->checked,
	    now->state != STATE_STOPPED ? 0 :
	    m->shown_since_ms >= 1000 ? m->shown_since_ms / 1000 : 1);
}

static void
put_egress(struct redis *r, const struct gathering *g, size_t egress)
{
	struct party_now now = { .chain = egress, .is_egress = true,
	    .st = board_standing(g->board, egress),
	    .blind = board_blind(g->board, egress),
	    .checked = board_checked_ms(g->board, egress) / 1000 };

	now.state = board_effective(g->board, egress, g->now_ms, &now.by);
	put_party(r, g, g->outline->egress[egress], &now);
}

/* The override that decides for mail from a domain, or NULL. */
static const struct override *
domain_override(const struct gathering *g, const char *name)
{
	static const char prefix[] = "domain:";
	const struct override *o, *best = NULL;
	size_t i;

	for (i = 0; i < board_override_count(g->board); i++) {
		o = board_get_override(g->board, i);
		if (strncmp(o->target, prefix, sizeof(prefix) - 1) != 0 ||
		    !domain_within(name, o->target + sizeof(prefix) - 1) ||
		    (o->until_ms != 0 && o->until_ms <= g->now_ms))
			continue;
		if (best == NULL || o->word == WORD_STOP)
			best = o;
	}
	return best;
}

static void
put_domain(struct redis *r, const struct gathering *g, size_t domain)
{
	const char *name = g->policy->domains[domain].name;
	struct party_now now = { .chain = g->policy->egress_count + domain,
	    .st = board_domain_standing(g->board, domain),
	    .by = domain_override(g, name) };

	now.state = now.by == NULL ? now.st->state :
	    now.by->word == WORD_STOP ? STATE_STOPPED : STATE_SENDING;
	put_party(r, g, mirror_get(r, "state:domain:", name), &now);
}

static struct fields *
list_fields(const struct gathering *g, enum health health,
    const char *reason, int64_t checked)
{
	put_field(g->out, "health", "%s", health_name(health));
	put_field(g->out, "reason", "%s", reason != NULL ? reason : "");
	put_field(g->out, "checked", "%lld", (long long)checked);
	return fields_take(g->out);
}

static void
put_list(struct redis *r, const struct gathering *g, size_t list)
{
	struct mirror *m = mirror_get(r, "list:",
	    g->policy->lists[list].zone);
	const char *reason = NULL;
	int64_t checked = 0;
	enum health health = board_list_health(g->board, list, &reason,
	    &checked);
	struct fields *f;

	checked /= 1000;
	if (m->want != NULL && checked >= m->checked &&
	    checked - m->checked < CHECKED_SLACK) {
		f = list_fields(g, health, reason, m->checked);
		if (fields_same(f, m->want)) {
			fields_unref(f);
			return;
		}
		fields_unref(f);
	}
	f = list_fields(g, health, reason, checked);
	mirror_want(r, m, f, checked, 0);
}

/* Compares the whole board with what is wanted so far. */
static void
gather(struct redis *r)
{
	struct redis_mirrors *all = &r->m;
	struct gathering g = { .board = all->board,
	    .now_ms = all->board_now_ms };
	struct policy *policy = board_policy(g.board);
	const char *mode = policy->mode == MODE_OBSERVE ? "observe" :
	    "enforce";
	struct mirror *m;
	size_t i;

	if (all->outline == NULL || all->outline->policy != policy) {
		outline_free(all->outline);
		all->outline = outline_new(r, policy);
		all->names_written = false;
	}
	g.policy = policy;
	g.outline = all->outline;
	if ((g.out = evbuffer_new()) == NULL)
		fatalx("out of memory");
	gather_listings(&g);
	all->generation++;
	for (i = 0; i < policy->egress_count; i++)
		put_egress(r, &g, i);
	for (i = 0; i < policy->domain_count; i++)
		put_domain(r, &g, i);
	for (i = 0; i < policy->list_count; i++)
		put_list(r, &g, i);
	/* What the policy does not have any more. */
	for (m = next_mirror(r, NULL); m != NULL; m = next_mirror(r, m)) {
		if (m->generation != all->generation && m->want != NULL) {
			fields_unref(m->want);
			m->want = NULL;
			m->stopped_want = 0;
			mirror_queue(r, m);
		}
	}
	if (strcmp(all->mode, mode) != 0) {
		text_copy(all->mode, sizeof(all->mode), mode);
		fleet_changed(r);
	}
	free(g.found);
	free(g.first);
	evbuffer_free(g.out);
}

/*
 * The owner says that something changed as often as it likes: the board is
 * looked at soon, but, with many egresses, only so often that this takes a
 * twentieth of the time.
 */
void
mirror_look(struct redis *r)
{
	struct redis_mirrors *all = &r->m;
	int64_t began = clock_mono_ms(), took;

	if (all->board == NULL)
		return;
	if (began < all->look_ms && !r->draining) {
		redis_kick_in(r, all->look_ms - began);
		return;
	}
	gather(r);
	all->board = NULL;
	took = clock_mono_ms() - began;
	all->look_ms = began + took * 20;
}

void
redis_put_board(struct redis *r, const struct board *board, int64_t now_ms)
{
	r->m.board = board;
	r->m.board_now_ms = now_ms;
	redis_kick(r);
}

/* --- transactions ------------------------------------------------------ */

static void
add(struct words *w, const char *s)
{
	if (w->count < REDIS_ARGS_MAX)
		w->v[w->count++] = s;
}

static void
queued_cb(void *ctx, void *arg, const struct redis_reply *reply)
{
	struct redis *r = ctx;

	(void)arg;
	if (reply_kind(reply) == REPLY_ERROR && r->m.batch_error[0] == '\0')
		redis_error_text(r, reply, r->m.batch_error);
}

static struct batch_part *
send_part(struct redis *r, struct mirror *m, const struct words *w,
    int64_t new_fields)
{
	struct redis_mirrors *all = &r->m;
	struct batch_part *part;

	redis_conn_send(r->data, queued_cb, NULL, w->count, w->v);
	if (all->batch_count == all->batch_size) {
		all->batch_size = all->batch_size == 0 ? REDIS_BATCH :
		    all->batch_size * 2;
		all->batch = xreallocarray(all->batch, all->batch_size,
		    sizeof(*all->batch));
	}
	part = &all->batch[all->batch_count++];
	*part = (struct batch_part){ .mirror = m, .new_fields = new_fields };
	return part;
}

static void
begin(struct words *w, const char *command, const char *key)
{
	w->count = 0;
	add(w, command);
	add(w, key);
}

/* HSET of what differs from have. */
static void
send_new_fields(struct redis *r, struct mirror *m, const char *key)
{
	const char *field, *value, *before;
	int64_t new_fields = 0;
	struct words w;

	begin(&w, "HSET", key);
	for (field = m->want->text; field < m->want->text + m->want->len;
	    field = next_string(value)) {
		value = next_string(field);
		before = m->have != NULL ? fields_get(m->have, field) : NULL;
		if (before != NULL && strcmp(before, value) == 0)
			continue;
		if (w.count + 2 > REDIS_ARGS_MAX) {
			send_part(r, m, &w, new_fields);
			begin(&w, "HSET", key);
			new_fields = 0;
		}
		add(&w, field);
		add(&w, value);
		if (before == NULL)
			new_fields++;
	}
	if (w.count > 2)
		send_part(r, m, &w, new_fields);
}

/* HDEL of what is not wanted any more. */
static void
send_old_fields(struct redis *r, struct mirror *m, const char *key)
{
	const char *field;
	struct words w;

	begin(&w, "HDEL", key);
	for (field = m->have->text; field < m->have->text + m->have->len;
	    field = next_string(next_string(field))) {
		if (fields_get(m->want, field) != NULL)
			continue;
		if (w.count + 1 > REDIS_ARGS_MAX) {
			send_part(r, m, &w, -1);
			begin(&w, "HDEL", key);
		}
		add(&w, field);
	}
	if (w.count > 2)
		send_part(r, m, &w, -1);
}

/* Makes Redis hold want. */
static void
send_hash(struct redis *r, struct mirror *m, const char *key)
{
	struct words w;

	if (m->have == NULL || m->want == NULL) {
		begin(&w, "DEL", key);
		send_part(r, m, &w, -1);
	}
	if (m->want != NULL)
		send_new_fields(r, m, key);
	if (m->want != NULL && m->have != NULL)
		send_old_fields(r, m, key);
}

static void
send_stopped(struct redis *r, struct mirror *m, const char *key)
{
	char since[24];
	struct words w;

	if (m->egress == NULL || m->stopped_have == m->stopped_want)
		return;
	begin(&w, m->stopped_want != 0 ? "ZADD" : "ZREM", key);
	snprintf(since, sizeof(since), "%lld", (long long)m->stopped_want);
	if (m->stopped_want != 0)
		add(&w, since);
	add(&w, m->egress);
	send_part(r, m, &w, -1)->stopped = true;
}

static void
take_part(struct redis *r, const struct batch_part *part,
    const struct redis_reply *reply)
{
	struct mirror *m = part->mirror;
	char error[REDIS_TEXT_MAX];

	if (reply_kind(reply) == REPLY_ERROR) {
		redis_error_text(r, reply, error);
		if (r->m.batch_error[0] == '\0')
			text_copy(r->m.batch_error, sizeof(r->m.batch_error),
			    error);
	} else if (part->new_fields < 0 ||
	    reply_integer(reply) <= part->new_fields) {
		return;
	}
	/* An error, or HSET made fields that should have been there: the
	 * key was removed behind our back. */
	if (part->stopped) {
		m->stopped_have = STOPPED_UNKNOWN;
	} else {
		fields_unref(m->have);
		m->have = NULL;
	}
	mirror_queue(r, m);
}

/* Nothing of the transaction happened, or nobody knows. */
static void
batch_undo(struct redis *r)
{
	struct mirror *m;
	size_t i;

	for (i = 0; i < r->m.batch_count; i++) {
		m = r->m.batch[i].mirror;
		fields_unref(m->have);
		m->have = NULL;
		m->stopped_have = m->egress != NULL ? STOPPED_UNKNOWN : 0;
		mirror_queue(r, m);
	}
}

/* Forgets mirrors whose keys are gone for good. */
static void
batch_forget(struct redis *r)
{
	struct mirror *m, *last = NULL;
	size_t i;

	for (i = 0; i < r->m.batch_count; i++) {
		m = r->m.batch[i].mirror;
		if (m != last && m->want == NULL && !m->queued)
			mirror_free(r, m);
		last = m;
	}
}

static void
exec_cb(void *ctx, void *arg, const struct redis_reply *reply)
{
	struct redis *r = ctx;
	struct redis_mirrors *all = &r->m;
	char error[REDIS_TEXT_MAX];
	size_t i;

	(void)arg;
	all->batch_sent = false;
	if (reply_count(reply) == all->batch_count) {
		for (i = 0; i < all->batch_count; i++)
			take_part(r, &all->batch[i], reply_at(reply, i));
	} else {
		if (all->batch_error[0] == '\0' &&
		    reply_kind(reply) == REPLY_ERROR)
			redis_error_text(r, reply, all->batch_error);
		else if (all->batch_error[0] == '\0')
			text_copy(all->batch_error, sizeof(all->batch_error),
			    "a strange answer");
		batch_undo(r);
	}
	batch_forget(r);
	all->batch_count = 0;
	if (all->batch_error[0] == '\0') {
		redis_lane_taken(r, &all->lane);
	} else {
		text_copy(error, sizeof(error), all->batch_error);
		if (redis_hopeless(r, error))
			return;
		redis_lane_refused(r, &all->lane, error);
	}
	redis_kick(r);
}

static void
send_mirrors(struct redis *r)
{
	struct redis_mirrors *all = &r->m;
	struct mirror *m;
	char *key, *stopped;
	size_t sent = 0;

	if (all->batch_sent || TAILQ_EMPTY(&all->dirty) ||
	    !redis_lane_open(&all->lane))
		return;
	stopped = xasprintf("%sstopped", r->conf.prefix);
	all->batch_error[0] = '\0';
	all->batch_sent = true;
	redis_conn_sendl(r->data, queued_cb, NULL, "MULTI", NULL);
	while (sent++ < REDIS_BATCH &&
	    (m = TAILQ_FIRST(&all->dirty)) != NULL) {
		TAILQ_REMOVE(&all->dirty, m, link);
		m->queued = false;
		key = xasprintf("%s%s", r->conf.prefix, m->entry.name);
		send_hash(r, m, key);
		send_stopped(r, m, stopped);
		free(key);
		/* Believed until the answer says otherwise. */
		fields_unref(m->have);
		m->have = m->want != NULL ? fields_ref(m->want) : NULL;
		m->stopped_have = m->stopped_want;
	}
	redis_conn_sendl(r->data, exec_cb, NULL, "EXEC", NULL);
	free(stopped);
}

/* --- events ------------------------------------------------------------ */

static void
event_forget(struct redis *r, struct kept_event *e)
{
	TAILQ_REMOVE(&r->m.events, e, link);
	r->m.event_count--;
	free(e);
}

static void
xadd_cb(void *ctx, void *arg, const struct redis_reply *reply)
{
	struct redis *r = ctx;
	struct kept_event *e = arg;
	char error[REDIS_TEXT_MAX];

	r->m.events_sent--;
	e->sent = false;
	if (reply_kind(reply) == REPLY_ERROR) {
		redis_error_text(r, reply, error);
		if (!redis_hopeless(r, error))
			redis_lane_refused(r, &r->m.event_lane, error);
		return;
	}
	event_forget(r, e);
	redis_lane_taken(r, &r->m.event_lane);
	if (r->m.events_lost > 0 && r->m.events_sent == 0) {
		log_warnx("redis %s: %zu events are missing in the stream: "
		    "no more than %d are kept for it", r->server,
		    r->m.events_lost, EVENTS_MAX);
		r->m.events_lost = 0;
	}
	redis_kick(r);
}

static void
send_event(struct redis *r, struct kept_event *kept, const char *key)
{
	const struct board_event *e = &kept->event;
	char at[24];

	snprintf(at, sizeof(at), "%lld", (long long)(e->at_ms / 1000));
	kept->sent = true;
	r->m.events_sent++;
	redis_conn_sendl(r->data, xadd_cb, kept, "XADD", key, "MAXLEN", "~",
	    EVENTS_LENGTH, "*", "at", at, "kind", event_kind_name(e->kind),
	    "host", r->host, "egress", e->egress, "subject", e->subject,
	    "zone", e->zone, "from", e->from, "to", e->to, "text", e->text,
	    NULL);
}

/* In order: none is sent before one that waits for another try. */
static void
send_events(struct redis *r)
{
	struct redis_mirrors *all = &r->m;
	struct kept_event *e;
	char *key;

	if (TAILQ_EMPTY(&all->events) || !redis_lane_open(&all->event_lane))
		return;
	/* While refused, one shows whether they still are. */
	if (all->event_lane.refused && all->events_sent > 0)
		return;
	key = xasprintf("%sevents", r->conf.prefix);
	TAILQ_FOREACH(e, &all->events, link) {
		if (all->events_sent >= EVENTS_SENT_MAX)
			break;
		if (e->sent)
			continue;
		send_event(r, e, key);
		if (all->event_lane.refused)
			break;
	}
	free(key);
}

void
redis_put_event(struct redis *r, const struct board_event *event)
{
	struct redis_mirrors *all = &r->m;
	struct kept_event *e;

	if (all->event_count == EVENTS_MAX) {
		/* The oldest that nobody waits an answer for. */
		TAILQ_FOREACH(e, &all->events, link) {
			if (!e->sent)
				break;
		}
		if (e != NULL)
			event_forget(r, e);
		all->events_lost++;
	}
	e = xcalloc(1, sizeof(*e));
	e->event = *event;
	TAILQ_INSERT_TAIL(&all->events, e, link);
	all->event_count++;
	redis_kick(r);
}

/* --- keys of an earlier life of ours ----------------------------------- */

/*
 * An egress that was renamed while the daemon or Redis was away has left its
 * state behind, which would be shown for ever.  So each host keeps the names
 * that it has states of, and after each connect those that it has no more
 * are looked at, and removed if this host wrote them last.  With hundreds of
 * hosts nobody could look at all states.
 */
#define NAMES_END	"1000000"	/* for GETRANGE; less than a reply */

static char *
names_key(const struct redis *r)
{
	return xasprintf("%snames:%s", r->conf.prefix, r->host);
}

/* The names of now, a line each. */
static void
put_names(const struct redis *r, struct evbuffer *out)
{
	const struct policy *p = r->m.outline->policy;
	size_t i;

	for (i = 0; i < p->egress_count; i++)
		evbuffer_add_printf(out, "%s\n", p->egress[i].name);
	for (i = 0; i < p->domain_count; i++)
		evbuffer_add_printf(out, "domain:%s\n", p->domains[i].name);
	evbuffer_add(out, "", 1);
}

static const char *
names_text(struct evbuffer *names)
{
	return (const char *)evbuffer_pullup(names, -1);
}

static void
old_host_cb(void *ctx, void *arg, const struct redis_reply *reply)
{
	struct redis *r = ctx;
	char *name = r->m.old[--r->m.old_count];

	(void)arg;
	r->m.names_sent = false;
	/* Unless there is one by now, or it is another host's. */
	if (strcmp(reply_text(reply, NULL), r->host) == 0 &&
	    table_find(&r->m.table, name) == NULL)
		mirror_queue(r, mirror_get(r, "state:", name +
		    strlen("state:")));
	free(name);
	redis_kick(r);
}

static void
take_old_name(struct redis_mirrors *all, const char *name, size_t len)
{
	char *key;

	if (len == 0 || len >= BOARD_NAME_MAX)
		return;
	key = xasprintf("state:%.*s", (int)len, name);
	if (table_find(&all->table, key) != NULL) {
		free(key);
		return;
	}
	all->old = xreallocarray(all->old, all->old_count + 1,
	    sizeof(*all->old));
	all->old[all->old_count++] = key;
}

/* Not worth a trouble: what makes no sense is no names, and replaced. */
static void
names_cb(void *ctx, void *arg, const struct redis_reply *reply)
{
	struct redis *r = ctx;
	struct redis_mirrors *all = &r->m;
	struct evbuffer *now;
	const char *text, *end;

	(void)arg;
	all->names_sent = false;
	all->names_read = true;
	text = reply_kind(reply) == REPLY_STRING ? reply_text(reply, NULL) :
	    "";
	if (all->outline != NULL && (now = evbuffer_new()) != NULL) {
		put_names(r, now);
		all->names_written = strcmp(text, names_text(now)) == 0;
		evbuffer_free(now);
	}
	for (; (end = strchr(text, '\n')) != NULL; text = end + 1)
		take_old_name(all, text, (size_t)(end - text));
	redis_kick(r);
}

static void
names_set_cb(void *ctx, void *arg, const struct redis_reply *reply)
{
	struct redis *r = ctx;
	char error[REDIS_TEXT_MAX];

	(void)arg;
	r->m.names_sent = false;
	if (reply_kind(reply) != REPLY_ERROR) {
		redis_lane_taken(r, &r->m.lane);
		return;
	}
	r->m.names_written = false;
	redis_error_text(r, reply, error);
	if (!redis_hopeless(r, error))
		redis_lane_refused(r, &r->m.lane, error);
}

static void
send_names(struct redis *r)
{
	struct redis_mirrors *all = &r->m;
	struct evbuffer *now;
	char *key;

	/* What there is must be known first. */
	if (all->outline == NULL || r->draining || all->names_sent ||
	    !redis_lane_open(&all->lane))
		return;
	if (!all->names_read) {
		key = names_key(r);
		redis_conn_sendl(r->data, names_cb, NULL, "GETRANGE", key,
		    "0", NAMES_END, NULL);
	} else if (all->old_count > 0) {
		key = xasprintf("%s%s", r->conf.prefix,
		    all->old[all->old_count - 1]);
		redis_conn_sendl(r->data, old_host_cb, NULL, "HGET", key,
		    "host", NULL);
	} else if (!all->names_written && TAILQ_EMPTY(&all->dirty) &&
	    !all->batch_sent && (now = evbuffer_new()) != NULL) {
		/* The old ones are gone, so their names are not needed. */
		key = names_key(r);
		put_names(r, now);
		redis_conn_sendl(r->data, names_set_cb, NULL, "SET", key,
		    names_text(now), NULL);
		evbuffer_free(now);
		all->names_written = true;
	} else {
		return;
	}
	all->names_sent = true;
	free(key);
}

static void
names_lost(struct redis *r)
{
	while (r->m.old_count > 0)
		free(r->m.old[--r->m.old_count]);
	r->m.names_sent = r->m.names_read = r->m.names_written = false;
}

/* --- the whole --------------------------------------------------------- */

void
mirror_pump(struct redis *r)
{
	send_mirrors(r);
	send_events(r);
	send_names(r);
}

bool
mirror_pending(const struct redis *r)
{
	return r->m.batch_sent || r->m.events_sent > 0 ||
	    (!TAILQ_EMPTY(&r->m.dirty) && !r->m.lane.refused) ||
	    (!TAILQ_EMPTY(&r->m.events) && !r->m.event_lane.refused);
}

void
mirror_unknown(struct redis *r)
{
	struct mirror *m;

	for (m = next_mirror(r, NULL); m != NULL; m = next_mirror(r, m)) {
		fields_unref(m->have);
		m->have = NULL;
		m->stopped_have = m->egress != NULL ? STOPPED_UNKNOWN : 0;
		mirror_queue(r, m);
	}
	r->m.names_written = false;
	fleet_unknown(r);
	redis_kick(r);
}

void
mirror_lost(struct redis *r)
{
	struct redis_mirrors *all = &r->m;
	struct kept_event *e;

	if (all->batch_sent)
		batch_undo(r);
	all->batch_sent = false;
	all->batch_count = all->events_sent = 0;
	TAILQ_FOREACH(e, &all->events, link)
		e->sent = false;
	names_lost(r);
	all->lane.retry_ms = all->lane.delay_ms = 0;
	all->event_lane.retry_ms = all->event_lane.delay_ms = 0;
}

void
mirror_init(struct redis *r)
{
	table_init(&r->m.table);
	TAILQ_INIT(&r->m.dirty);
	TAILQ_INIT(&r->m.events);
	r->m.lane.what = "states";
	r->m.event_lane.what = "events";
	r->m.started = clock_wall_ms() / 1000;
	text_copy(r->m.mode, sizeof(r->m.mode), "enforce");
}

void
mirror_clear(struct redis *r)
{
	struct kept_event *e;
	struct mirror *m;

	while ((e = TAILQ_FIRST(&r->m.events)) != NULL)
		event_forget(r, e);
	while ((m = next_mirror(r, NULL)) != NULL)
		mirror_free(r, m);
	table_clear(&r->m.table);
	outline_free(r->m.outline);
	names_lost(r);
	free(r->m.old);
	free(r->m.batch);
}
