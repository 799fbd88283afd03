/*
 * redis_overrides.c - override:* in both directions
 *
 * A target is read whenever there is reason to think that its key changed:
 * a notice, a full read, the end of its time to live.  Reading is PTTL,
 * GETRANGE (a value may be half a gigabyte) and PTTL again: if the two ends
 * agree, word and end belong together, and otherwise it is read once more.
 * A transaction would do the same, but a server that is out of memory takes
 * none, and a stop must be readable even then.
 *
 * What we are to write ourselves comes first: while it is not written, what
 * Redis shows for the target is older than what the owner knows, and is
 * not told.  A word that had to wait for a connection is an exception: while
 * there was none somebody may have given another, so that is looked at
 * first.
 *
 * A key that is missing was removed by an operator only if the data are
 * still those that had it: see redis_life.c.  If they are not, the word
 * stays in force and is written back.  Where it cannot be known which of two
 * words is the newer one, a stop beats a send, and the later end the earlier.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/domain.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "store/redis_parts.h"

#define VALUE_MAX	4096
#define VALUE_END	"4096"		/* for GETRANGE: one byte more */
#define TARGETS_MAX	50000
#define SCAN_COUNT	"1000"
#define WRITING_MAX	64
#define END_SLACK_MS	1000		/* ends that differ less are equal */
#define SHOWN_NOTHING	1
#define END_MAX_MS	(100LL * 365 * 86400 * 1000)

/*
 * "MX1" and "mx1" are two keys but one target, and so are two ways to write
 * an address.  The owner is told what follows from all of them together.
 */
struct family {
	struct table_entry	 entry;	/* first; the normal name */
	TAILQ_HEAD(, target)	 members;
	struct override		 told;	/* WORD_NONE: nothing is in force */
};

struct target {
	struct table_entry	 entry;	/* first */
	char			*key;
	struct family		*family;
	TAILQ_ENTRY(target)	 family_link;
	TAILQ_ENTRY(target)	 read_link, word_link, missing_link;
	struct override		*known;	/* as the owner knows it */
	int64_t			 end_ms;/* monotonic: look again; 0 never */
	uint64_t		 bad;	/* hash of a bad value told; 0 none */

	struct override		*word;	/* to be written */
	unsigned int		 word_put, word_sent;	/* counted */
	/* The word was refused, and this is what Redis showed then: another
	 * value is a newer word than ours. */
	bool			 refused;
	uint64_t		 shown;
	int64_t			 read_ms;	/* monotonic: last asked */
	/* The word waited for a connection: look before it is written. */
	bool			 look;
	/* The word is one that Redis has lost: only if there is no other. */
	bool			 restoring;

	/* The life of the data in which known or remote was seen. */
	unsigned int		 life;
	uint64_t		 remote;/* hash of the value seen last; or 0 */
	bool			 was_send;	/* remote, of a removed key */

	bool			 taken;	/* the word; the owner is to know */
	bool			 missing;	/* is in that queue */
	bool			 to_read, to_write;	/* is in the queue */
	bool			 reading, writing;	/* was asked */
	/* Part of the full read: not asked yet; asked. */
	bool			 full_wait, full_asked;
};

/* --- values ------------------------------------------------------------ */

const char *
override_parse(const char *value, size_t len, struct override *out)
{
	static const struct {
		const char	*name;
		enum word	 word;
	} words[] = { { "stop", WORD_STOP }, { "send", WORD_SEND } };
	size_t i, n;

	if (len > VALUE_MAX)
		return "is longer than 4096 bytes";
	for (i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		n = strlen(words[i].name);
		if (len < n || memcmp(value, words[i].name, n) != 0)
			continue;
		if (len > n && value[n] != ' ')
			break;
		out->word = words[i].word;
		text_clean(out->reason, sizeof(out->reason), value + n,
		    len - n);
		return NULL;
	}
	return "is neither \"stop\" nor \"send\"";
}

/* To compare values by; never 0 or SHOWN_NOTHING. */
static uint64_t
value_hash(const char *value, size_t len)
{
	return table_hash(0, value, len) | 2;
}

/* --- targets ----------------------------------------------------------- */

void
override_normal_target(const char *name, char normal[BOARD_NAME_MAX])
{
	char domain[DOMAIN_MAX];
	struct addr addr;
	size_t i;

	if (addr_parse(name, &addr))
		addr_text(&addr, normal);
	else if (strncmp(name, "domain:", 7) == 0 &&
	    domain_normal(name + 7, domain) == NULL)
		snprintf(normal, BOARD_NAME_MAX, "domain:%s", domain);
	else
		text_copy(normal, BOARD_NAME_MAX, name);
	for (i = 0; normal[i] != '\0'; i++) {
		if (normal[i] >= 'A' && normal[i] <= 'Z')
			normal[i] += 'a' - 'A';
	}
}

static struct family *
find_or_add_family(struct redis *r, const char *name)
{
	char normal[BOARD_NAME_MAX];
	struct family *f;

	override_normal_target(name, normal);
	f = (struct family *)table_find(&r->o.families, normal);
	if (f == NULL) {
		f = xcalloc(1, sizeof(*f));
		TAILQ_INIT(&f->members);
		table_add(&r->o.families, &f->entry, normal);
	}
	return f;
}

static struct target *
find(struct redis *r, const char *name)
{
	return (struct target *)table_find(&r->o.targets, name);
}

static struct target *
find_or_add(struct redis *r, const char *name)
{
	struct target *t = find(r, name);

	if (t == NULL) {
		t = xcalloc(1, sizeof(*t));
		t->key = xasprintf("%s%s", r->override_prefix, name);
		t->life = r->o.life;
		t->family = find_or_add_family(r, name);
		TAILQ_INSERT_TAIL(&t->family->members, t, family_link);
		table_add(&r->o.targets, &t->entry, name);
	}
	return t;
}

static struct target *
next_target(const struct redis *r, const struct target *t)
{
	return (struct target *)(t == NULL ? table_first(&r->o.targets) :
	    table_next(&r->o.targets, &t->entry));
}

static void
target_free(struct redis *r, struct target *t)
{
	struct family *f = t->family;

	TAILQ_REMOVE(&f->members, t, family_link);
	if (TAILQ_EMPTY(&f->members)) {
		table_remove(&r->o.families, &f->entry);
		free(f);
	}
	table_remove(&r->o.targets, &t->entry);
	free(t->key);
	free(t->known);
	free(t->word);
	free(t);
}

/* Forgets targets of which there is nothing to know. */
static void
forget_idle(struct redis *r)
{
	struct target *t, *next;

	for (t = next_target(r, NULL); t != NULL; t = next) {
		next = next_target(r, t);
		if (t->known == NULL && t->word == NULL && t->bad == 0 &&
		    !t->was_send && !t->to_read && !t->to_write &&
		    !t->reading && !t->writing && !t->missing)
			target_free(r, t);
	}
}

static void
want_read(struct redis *r, struct target *t)
{
	if (t->to_read)
		return;
	t->to_read = true;
	TAILQ_INSERT_TAIL(&r->o.reads, t, read_link);
}

static void
want_write(struct redis *r, struct target *t)
{
	if (t->to_write)
		return;
	t->to_write = true;
	TAILQ_INSERT_TAIL(&r->o.words, t, word_link);
}

static void
know(struct target *t, const struct override *o)
{
	if (t->known == NULL)
		t->known = xcalloc(1, sizeof(*t->known));
	*t->known = *o;
}

static void
know_nothing(struct target *t)
{
	free(t->known);
	t->known = NULL;
	t->end_ms = 0;
	t->bad = 0;
	t->taken = false;
}

/* --- what the owner is told -------------------------------------------- */

static bool
same_override(const struct override *a, const struct override *b,
    int64_t slack_ms)
{
	int64_t apart = a->until_ms - b->until_ms;

	if (a->word != b->word || strcmp(a->reason, b->reason) != 0 ||
	    (a->until_ms == 0) != (b->until_ms == 0))
		return false;
	return apart >= -slack_ms && apart <= slack_ms;
}

static void
tell(struct redis *r, const struct override *o)
{
	if (!r->draining)
		r->cbs.override(r->ctx, o);
}

static void
tell_bad(struct redis *r, const char *target, size_t target_len,
    const char *value, size_t value_len)
{
	char name[BOARD_NAME_MAX], text[BOARD_REASON_MAX];

	if (r->draining)
		return;
	text_clean(name, sizeof(name), target, target_len);
	text_clean(text, sizeof(text), value, value_len);
	r->cbs.bad_override(r->ctx, name, text);
}

/* A key whose name cannot be a target: told once, as far as remembered. */
static void
tell_bad_name(struct redis *r, const char *name, size_t len)
{
	struct redis_overrides *o = &r->o;
	uint64_t hash = table_hash(0, name, len);
	const char *why = len == 0 ? "(no target)" :
	    len >= BOARD_NAME_MAX ? "(the target is too long)" :
	    "(the target has control characters)";
	size_t i;

	for (i = 0; i < o->bad_name_count; i++) {
		if (o->bad_names[i] == hash)
			return;
	}
	if (o->bad_name_count == sizeof(o->bad_names) /
	    sizeof(o->bad_names[0]))
		return;
	o->bad_names[o->bad_name_count++] = hash;
	tell_bad(r, name, len, why, strlen(why));
}

static void	batch_done(struct redis *);

/* --- what was found ---------------------------------------------------- */

static bool
has_ended(const struct override *o)
{
	return o->until_ms != 0 &&
	    o->until_ms <= clock_wall_ms() + END_SLACK_MS;
}

/* Of two words of which nobody knows the order. */
static bool
beats(const struct override *a, const struct override *b)
{
	if (a->word != b->word)
		return a->word == WORD_STOP ||
		    (a->word == WORD_SEND && b->word == WORD_NONE);
	if (a->until_ms == 0 || b->until_ms == 0)
		return a->until_ms == 0 && b->until_ms != 0;
	return a->until_ms > b->until_ms + END_SLACK_MS;
}

/* Tells what is in force for a target by all of its keys, if that is news
 * or has to be told in any case. */
static void
tell_family(struct redis *r, struct target *t, bool always, int64_t slack_ms)
{
	struct override gone = { .word = WORD_NONE, .source = "redis" };
	const struct override *best = NULL;
	struct family *f = t->family;
	struct target *m;

	TAILQ_FOREACH(m, &f->members, family_link) {
		if (m->known != NULL && (best == NULL ||
		    beats(m->known, best)))
			best = m->known;
	}
	if (best == NULL) {
		text_copy(gone.target, sizeof(gone.target), t->entry.name);
		best = &gone;
	}
	if (!always && same_override(best, &f->told, slack_ms))
		return;
	f->told = *best;
	fleet_changed(r);
	tell(r, best);
}

static void
drop_word(struct target *t)
{
	free(t->word);
	t->word = NULL;
	t->refused = t->restoring = t->look = false;
}

/* A word of ours that Redis is to have. */
static void
set_word(struct redis *r, struct target *t, const struct override *o)
{
	struct override copy = *o;	/* it may be t->word */

	if (t->word == NULL)
		t->word = xcalloc(1, sizeof(*t->word));
	*t->word = copy;
	text_clean(t->word->reason, sizeof(t->word->reason), copy.reason,
	    strlen(copy.reason));
	t->word_put++;
	t->refused = t->restoring = t->look = false;
	t->shown = 0;
	want_write(r, t);
}

/* Redis has lost it: it stays in force and goes back there. */
static void
restore(struct redis *r, struct target *t)
{
	if (has_ended(t->known)) {
		know_nothing(t);
		tell_family(r, t, false, END_SLACK_MS);
		return;
	}
	text_copy(t->known->source, sizeof(t->known->source), "kept");
	set_word(r, t, t->known);
	t->restoring = true;
	t->remote = 0;
	r->o.kept++;
	tell_family(r, t, true, 0);
}

/* The key is missing, and the data are those that had it. */
static void
found_removed(struct redis *r, struct target *t)
{
	t->was_send = t->known != NULL && t->known->word == WORD_SEND &&
	    t->remote != 0 && !has_ended(t->known);
	t->life = r->o.life;
	know_nothing(t);
	tell_family(r, t, false, END_SLACK_MS);
}

static void
found_nothing(struct redis *r, struct target *t)
{
	/* With our own word unwritten it says nothing: also the end of an
	 * older one looks like this. */
	if (t->word != NULL) {
		t->look = false;
		if (t->refused && t->shown == 0)
			t->shown = SHOWN_NOTHING;
		if (!t->writing)
			want_write(r, t);
		return;
	}
	if (t->known == NULL && t->bad != 0) {
		know_nothing(t);
		return;
	}
	if (t->known == NULL || t->missing)
		return;
	/* Whether it was removed is asked when the batch is read. */
	t->missing = true;
	TAILQ_INSERT_TAIL(&r->o.missing, t, missing_link);
}

static void
found_bad(struct redis *r, struct target *t, const char *value, size_t len)
{
	uint64_t hash = value_hash(value, len);

	if (t->bad == hash)
		return;
	t->bad = hash;
	tell_bad(r, t->entry.name, strlen(t->entry.name), value, len);
}

/* True if ours is still the newest word for the target, as far as that can
 * be known; theirs is what Redis shows, or NULL if that is no word. */
static bool
own_word_stands(struct target *t, const char *value, size_t len,
    const struct override *theirs)
{
	if (t->word == NULL)
		return false;
	if (t->restoring)
		return theirs == NULL || beats(t->word, theirs);
	if (t->look) {
		t->look = false;
		/* Somebody stopped it while we could not see. */
		return theirs == NULL || theirs->word != WORD_STOP ||
		    t->word->word == WORD_STOP ||
		    value_hash(value, len) == t->remote;
	}
	if (!t->refused)
		return true;
	if (t->shown == 0)
		t->shown = value_hash(value, len);
	return t->shown == value_hash(value, len);
}

/* The data are others than those that had our word: what they show may be
 * older than what they have lost.  True if ours stands. */
static bool
older_value(struct redis *r, struct target *t, const char *value, size_t len,
    const struct override *theirs)
{
	struct override none = { .word = WORD_NONE, .source = "redis" };

	if (t->life == r->o.life)
		return false;
	if (t->known != NULL && !has_ended(t->known) &&
	    beats(t->known, theirs)) {
		log_warnx("redis %s: override %s shows \"%s\", but its data "
		    "have changed and \"%s\" was known before: that stays; "
		    "say \"%s\" again if it is wanted", r->server,
		    t->entry.name, word_name(theirs->word),
		    word_name(t->known->word), word_name(theirs->word));
		restore(r, t);
		t->restoring = false;
		return true;
	}
	if (t->known == NULL && t->was_send && theirs->word == WORD_SEND &&
	    value_hash(value, len) == t->remote) {
		log_warnx("redis %s: override %s shows \"send\" again, which "
		    "was removed before its data changed: removed again; say "
		    "it again if it is wanted", r->server, t->entry.name);
		text_copy(none.target, sizeof(none.target), t->entry.name);
		set_word(r, t, &none);
		return true;
	}
	return false;
}

static void
found_value(struct redis *r, struct target *t, const char *value, size_t len,
    int64_t ttl_ms)
{
	struct override o = { .source = "redis" };
	bool news = t->bad != 0 || t->taken, good;
	int64_t now = clock_mono_ms(), slack, end_ms = 0;

	text_copy(o.target, sizeof(o.target), t->entry.name);
	if (ttl_ms >= 0) {
		if (ttl_ms > END_MAX_MS)
			ttl_ms = END_MAX_MS;
		o.until_ms = clock_wall_ms() + ttl_ms;
		end_ms = now + ttl_ms + 50;
	}
	good = override_parse(value, len, &o) == NULL;
	if (own_word_stands(t, value, len, good ? &o : NULL)) {
		if (t->restoring)
			t->restoring = false;	/* over what is there */
		if (!t->writing)
			want_write(r, t);
		return;
	}
	if (!good) {
		if (len > VALUE_MAX) {
			value = "(longer than 4096 bytes)";
			len = strlen(value);
		}
		found_bad(r, t, value, len);
		return;
	}
	if (t->word != NULL) {
		if (!t->restoring)
			log_info("redis %s: override %s was given anew in "
			    "Redis, before ours could be written", r->server,
			    t->entry.name);
		drop_word(t);
	} else if (older_value(r, t, value, len, &o)) {
		return;
	}
	t->bad = 0;
	t->taken = t->was_send = false;
	t->life = r->o.life;
	t->remote = value_hash(value, len);
	t->end_ms = end_ms;
	/* An end is off by the time that reading PTTL took. */
	slack = END_SLACK_MS + now - r->o.batch_ms;
	if (t->known != NULL && same_override(t->known, &o, slack) && !news &&
	    !t->known->restored && strcmp(t->known->source, o.source) == 0)
		return;
	/* Also that its end is counted here now. */
	if (t->known != NULL && (t->known->restored ||
	    strcmp(t->known->source, o.source) != 0))
		news = true;
	know(t, &o);
	tell_family(r, t, news, slack);
}

/* --- what became of those that are missing ----------------------------- */

void
overrides_judged(struct redis *r, bool same_life)
{
	struct redis_overrides *o = &r->o;
	struct target *t;

	if (!same_life)
		o->life++;
	while ((t = TAILQ_FIRST(&o->missing)) != NULL) {
		TAILQ_REMOVE(&o->missing, t, missing_link);
		t->missing = false;
		/* The owner, or a later reading, may have been quicker. */
		if (t->word != NULL || t->known == NULL)
			continue;
		if (t->life == o->life || has_ended(t->known))
			found_removed(r, t);
		else
			restore(r, t);
	}
	/* It may have been asked for another reason, amid a batch. */
	if (o->batch_count > 0 && o->batch_left == 0)
		batch_done(r);
}

/* --- reading ----------------------------------------------------------- */

/* All that Redis had and lost is there again: from now on what is missing
 * in these data was removed. */
static void
settled_check(struct redis *r)
{
	const struct target *t;

	if (r->o.read_life != r->o.life || !TAILQ_EMPTY(&r->o.words) ||
	    r->o.writing > 0)
		return;
	for (t = next_target(r, NULL); t != NULL; t = next_target(r, t)) {
		if (t->word != NULL)
			return;
	}
	if (life_settled(r))
		redis_memory_changed(r);
}

static void
full_read_check(struct redis *r)
{
	struct redis_overrides *o = &r->o;
	struct target *t;
	size_t kept = o->kept;

	if (!o->full || o->scanning || o->full_left > 0 ||
	    o->batch_count > 0)
		return;
	o->full = false;
	o->kept = 0;
	/* What was removed before stays removed in these data. */
	if (o->full_life == o->life) {
		o->read_life = o->life;
		for (t = next_target(r, NULL); t != NULL;
		    t = next_target(r, t)) {
			if (t->known == NULL && t->life != o->life) {
				t->life = o->life;
				t->was_send = false;
			}
		}
	}
	forget_idle(r);
	settled_check(r);
	redis_read_done(r, kept);
}

/* All of a batch is read, and what is missing is judged. */
static void
batch_done(struct redis *r)
{
	r->o.batch_count = 0;
	full_read_check(r);
	redis_kick(r);
}

/* True, and the connection dropped, if a read was refused.  A value of the
 * wrong type is no refusal. */
static bool
read_refused(struct redis *r, const struct redis_reply *reply)
{
	char error[REDIS_TEXT_MAX];

	if (reply_kind(reply) != REPLY_ERROR ||
	    strncmp(reply_text(reply, NULL), "WRONGTYPE", 9) == 0)
		return false;
	redis_error_text(r, reply, error);
	if (!redis_hopeless(r, error))
		redis_drop(r, "overrides cannot be read: %.150s", error);
	return true;
}

/* True, and the connection dropped, if a PTTL was not answered by a number. */
static bool
ttl_refused(struct redis *r, const struct redis_reply *reply)
{
	if (read_refused(r, reply))
		return true;
	if (reply_kind(reply) == REPLY_INTEGER)
		return false;
	redis_drop(r, "its answer to PTTL makes no sense");
	return true;
}

static void
ttl_cb(void *ctx, void *arg, const struct redis_reply *reply)
{
	struct redis_reading *reading = arg;

	if (!ttl_refused(ctx, reply))
		reading->ttl_ms = reply_integer(reply);
}

static void
value_cb(void *ctx, void *arg, const struct redis_reply *reply)
{
	struct redis_reading *reading = arg;
	const char *value;

	if (read_refused(ctx, reply))
		return;
	if (reply_kind(reply) != REPLY_STRING &&
	    reply_kind(reply) != REPLY_ERROR) {
		redis_drop(ctx, "its answer to GETRANGE makes no sense");
		return;
	}
	value = reply_text(reply, &reading->len);
	reading->is_string = reply_kind(reply) == REPLY_STRING;
	reading->value = xcalloc(reading->len + 1, 1);
	memcpy(reading->value, value, reading->len);
}

/* True if the two PTTL can be about one and the same life of a key. */
static bool
same_life(const struct redis_reading *reading, int64_t ttl_ms,
    int64_t took_ms)
{
	if (reading->ttl_ms < 0 || ttl_ms < 0)
		return reading->ttl_ms == ttl_ms;
	return ttl_ms <= reading->ttl_ms &&
	    reading->ttl_ms - ttl_ms <= took_ms + 1;
}

/* The second PTTL completes the reading of one target. */
static void
read_cb(void *ctx, void *arg, const struct redis_reply *reply)
{
	struct redis *r = ctx;
	struct redis_overrides *o = &r->o;
	struct redis_reading *reading = arg;
	struct target *t = reading->target;
	int64_t ttl_ms = reply_integer(reply);
	bool agree = same_life(reading, ttl_ms,
	    clock_mono_ms() - o->batch_ms);

	if (ttl_refused(r, reply))
		return;
	t->reading = false;
	t->read_ms = o->batch_ms;
	if (agree && t->full_asked) {
		t->full_asked = false;
		o->full_left--;
	} else if (t->full_asked) {
		t->full_asked = false;
		t->full_wait = true;
	}
	if (!agree)
		want_read(r, t);
	else if (ttl_ms == -2)
		found_nothing(r, t);
	else if (reading->is_string)
		found_value(r, t, reading->value, reading->len, ttl_ms);
	else
		found_bad(r, t, "(not a string)", 14);
	free(reading->value);
	reading->value = NULL;
	if (--o->batch_left > 0)
		return;
	if (TAILQ_EMPTY(&o->missing))
		batch_done(r);
	else
		life_ask(r);
}

static void
send_batch(struct redis *r)
{
	struct redis_overrides *o = &r->o;
	struct redis_reading *reading;
	struct target *t;

	o->batch_ms = clock_mono_ms();
	while (o->batch_count < REDIS_BATCH &&
	    (t = TAILQ_FIRST(&o->reads)) != NULL) {
		TAILQ_REMOVE(&o->reads, t, read_link);
		t->to_read = false;
		t->reading = true;
		if (t->full_wait) {
			t->full_wait = false;
			t->full_asked = true;
		}
		reading = &o->batch[o->batch_count++];
		reading->target = t;
		redis_conn_sendl(r->data, ttl_cb, reading, "PTTL", t->key,
		    NULL);
		redis_conn_sendl(r->data, value_cb, reading, "GETRANGE",
		    t->key, "0", VALUE_END, NULL);
		redis_conn_sendl(r->data, read_cb, reading, "PTTL", t->key,
		    NULL);
	}
	o->batch_left = o->batch_count;
}

/* A target by the name of its key, or NULL if there can be none. */
static struct target *
target_of_key(struct redis *r, const char *name, size_t len)
{
	size_t i, prefix = strlen(r->override_prefix);
	char target[BOARD_NAME_MAX];
	struct target *t;

	if (len < prefix || memcmp(name, r->override_prefix, prefix) != 0)
		return NULL;
	name += prefix;
	len -= prefix;
	for (i = 0; i < len; i++) {
		if ((unsigned char)name[i] < ' ' || name[i] == 0x7f)
			break;
	}
	if (len == 0 || len >= BOARD_NAME_MAX || i < len) {
		tell_bad_name(r, name, len);
		return NULL;
	}
	memcpy(target, name, len);
	target[len] = '\0';
	if ((t = find(r, target)) != NULL)
		return t;
	if (r->o.targets.count < TARGETS_MAX)
		return find_or_add(r, target);
	if (!r->o.too_many) {
		r->o.too_many = true;
		log_warnx("redis %s: there are more than %d overrides; the "
		    "others are not obeyed", r->server, TARGETS_MAX);
	}
	return NULL;
}

void
overrides_notice(struct redis *r, const char *name, size_t len)
{
	struct target *t = target_of_key(r, name, len);

	if (t != NULL)
		want_read(r, t);
}

static void
want_full(struct redis *r, struct target *t)
{
	if (!t->full_wait && !t->full_asked) {
		t->full_wait = true;
		r->o.full_left++;
	}
	want_read(r, t);
}

static void
scan_cb(void *ctx, void *arg, const struct redis_reply *reply)
{
	struct redis *r = ctx;
	struct redis_overrides *o = &r->o;
	const struct redis_reply *keys;
	const char *cursor, *name;
	struct target *t;
	size_t i, len;

	(void)arg;
	o->scan_sent = false;
	if (read_refused(r, reply))
		return;
	cursor = reply_count(reply) == 2 ?
	    reply_text(reply_at(reply, 0), &len) : "";
	if (cursor[0] == '\0' || len >= sizeof(o->cursor) ||
	    strspn(cursor, "0123456789") != len) {
		redis_drop(r, "its answer to SCAN makes no sense");
		return;
	}
	keys = reply_at(reply, 1);
	for (i = 0; i < reply_count(keys); i++) {
		name = reply_text(reply_at(keys, i), &len);
		if ((t = target_of_key(r, name, len)) != NULL)
			want_full(r, t);
	}
	text_copy(o->cursor, sizeof(o->cursor), cursor);
	if (strcmp(o->cursor, "0") == 0) {
		o->scanning = false;
		/* What SCAN did not find is looked at by name. */
		for (t = next_target(r, NULL); t != NULL;
		    t = next_target(r, t)) {
			if (t->known != NULL || t->bad != 0)
				want_full(r, t);
		}
		full_read_check(r);
	}
	redis_kick(r);
}

static void
send_scan(struct redis *r)
{
	r->o.scan_sent = true;
	r->o.scans++;
	redis_conn_sendl(r->data, scan_cb, NULL, "SCAN", r->o.cursor, "MATCH",
	    r->o.pattern, "COUNT", SCAN_COUNT, NULL);
}

void
overrides_read_all(struct redis *r)
{
	struct redis_overrides *o = &r->o;

	if (o->full) {
		o->full_again = true;
		return;
	}
	o->full = o->scanning = true;
	o->full_since_ms = clock_mono_ms();
	o->full_life = o->life;
	o->scans = 0;
	strcpy(o->cursor, "0");
	redis_kick(r);
}

/* --- writing ----------------------------------------------------------- */

static void
word_cb(void *ctx, void *arg, const struct redis_reply *reply)
{
	struct redis *r = ctx;
	struct target *t = arg;
	char error[REDIS_TEXT_MAX];

	t->writing = false;
	r->o.writing--;
	if (reply_kind(reply) == REPLY_ERROR) {
		redis_error_text(r, reply, error);
		if (redis_hopeless(r, error))
			return;
		t->refused = true;
		if (t->word != NULL)
			want_write(r, t);
		/* What it shows now is what a newer word differs from. */
		want_read(r, t);
		redis_lane_refused(r, &r->o.lane, error);
	} else if (reply_kind(reply) == REPLY_NIL) {
		/* Of NX: there is a value, which found_value() weighs. */
		redis_lane_taken(r, &r->o.lane);
		want_read(r, t);
	} else {
		redis_lane_taken(r, &r->o.lane);
		if (t->word != NULL && t->word_put == t->word_sent) {
			drop_word(t);
			t->taken = true;
			t->life = r->o.life;
			/* Whoever wrote meanwhile was not listened to. */
			want_read(r, t);
			redis_memory_changed(r);
			settled_check(r);
		} else if (t->word != NULL) {
			want_write(r, t);
		}
	}
	redis_kick(r);
}

static void
send_word(struct redis *r, struct target *t)
{
	const struct override *o = t->word;
	char value[BOARD_REASON_MAX + 8], px[24];
	const char *argv[6];
	size_t argc = 0;
	int64_t left = o->until_ms - clock_wall_ms();
	bool ended = o->until_ms != 0 && left <= 0;

	t->writing = true;
	t->word_sent = t->word_put;
	r->o.writing++;
	snprintf(value, sizeof(value), "%s%s%s", o->word == WORD_STOP ?
	    "stop" : "send", o->reason[0] != '\0' ? " " : "", o->reason);
	snprintf(px, sizeof(px), "%lld", (long long)left);
	if (o->word == WORD_NONE || ended) {
		redis_conn_sendl(r->data, word_cb, t, "DEL", t->key, NULL);
		return;
	}
	argv[argc++] = "SET";
	argv[argc++] = t->key;
	argv[argc++] = value;
	if (o->until_ms != 0) {
		argv[argc++] = "PX";
		argv[argc++] = px;
	}
	if (t->restoring)
		argv[argc++] = "NX";
	redis_conn_send(r->data, word_cb, t, argc, argv);
}

static void
send_words(struct redis *r)
{
	struct redis_overrides *o = &r->o;
	struct target *t, *next;

	/* While refused, one at a time shows whether it still is. */
	for (t = TAILQ_FIRST(&o->words); t != NULL && redis_lane_open(&o->lane)
	    && o->writing < (o->lane.refused ? 1 : WRITING_MAX); t = next) {
		next = TAILQ_NEXT(t, word_link);
		if (t->look) {
			if (!t->reading)
				want_read(r, t);
			continue;
		}
		/* Another try would undo a newer word: look first. */
		if (t->refused && t->word != NULL &&
		    t->read_ms < o->lane.retry_ms) {
			if (!t->reading)
				want_read(r, t);
			continue;
		}
		TAILQ_REMOVE(&o->words, t, word_link);
		t->to_write = false;
		/* One that is under way is followed by word_cb(). */
		if (t->word != NULL && !t->writing)
			send_word(r, t);
	}
	/* What was refused is not wanted any more. */
	if (TAILQ_EMPTY(&o->words) && o->writing == 0)
		o->lane.refused = false;
}

/* Other spellings of the target give way to what was said last. */
static void
put_twins(struct redis *r, struct target *t, const struct override *o)
{
	struct override none = *o;
	struct target *m;

	none.word = WORD_NONE;
	TAILQ_FOREACH(m, &t->family->members, family_link) {
		if (m == t || (m->known == NULL && m->bad == 0 &&
		    m->word == NULL))
			continue;
		text_copy(none.target, sizeof(none.target), m->entry.name);
		set_word(r, m, &none);
		m->look = r->status != REDIS_CONNECTED;
		know_nothing(m);
	}
}

void
redis_put_override(struct redis *r, const struct override *o, int64_t now_ms)
{
	struct target *t;

	if (o->target[0] == '\0')
		return;
	t = find_or_add(r, o->target);
	set_word(r, t, o);
	if (o->until_ms != 0 && o->until_ms <= now_ms)
		t->word->word = WORD_NONE;
	t->look = r->status != REDIS_CONNECTED;
	t->was_send = false;
	know_nothing(t);
	if (t->word->word != WORD_NONE)
		know(t, t->word);
	put_twins(r, t, o);
	t->family->told = *t->word;
	fleet_changed(r);
}

void
redis_expect_override(struct redis *r, const struct override *o)
{
	struct target *t;

	if (o->target[0] == '\0' || o->word == WORD_NONE)
		return;
	t = find_or_add(r, o->target);
	if (t->word == NULL) {
		know(t, o);
		t->family->told = *o;
	}
}

void
redis_clock_set(struct redis *r, int64_t step_ms)
{
	struct table_entry *e;
	struct target *t;

	for (t = next_target(r, NULL); t != NULL; t = next_target(r, t)) {
		if (t->known != NULL)
			board_move_override(t->known, step_ms);
		if (t->word != NULL)
			board_move_override(t->word, step_ms);
	}
	for (e = table_first(&r->o.families); e != NULL;
	    e = table_next(&r->o.families, e))
		board_move_override(&((struct family *)e)->told, step_ms);
	/* After a sleep Redis knows the ends better than we do. */
	redis_want_full_read(r);
}

void
overrides_seen(const struct redis *r, struct redis_seen *out)
{
	const struct table_entry *e;
	const struct override *o;
	uint32_t mark;

	for (e = table_first(&r->o.families); e != NULL;
	    e = table_next(&r->o.families, e)) {
		o = &((const struct family *)(const void *)e)->told;
		if (o->word == WORD_NONE || (o->until_ms != 0 &&
		    o->until_ms <= clock_wall_ms()))
			continue;
		mark = redis_word_mark(o);
		/* In no order, so a sum. */
		out->all += table_hash(0, &mark, sizeof(mark));
		out->count++;
		if (out->mark_count < REDIS_MARKS_MAX)
			out->marks[out->mark_count++] = mark;
	}
}

/* Words that are in force are in the owner's memory; removals are not. */
void
overrides_memory(const struct redis *r, struct evbuffer *out)
{
	const struct target *t;

	for (t = next_target(r, NULL); t != NULL; t = next_target(r, t)) {
		if (t->word != NULL && !t->restoring)
			evbuffer_add_printf(out, "%s %016llx %s\n",
			    t->word->word == WORD_NONE ? "remove" : "write",
			    (unsigned long long)t->remote, t->entry.name);
	}
}

void
overrides_remember(struct redis *r, const char *line)
{
	struct override none = { .word = WORD_NONE, .source = "control" };
	bool remove = strncmp(line, "remove ", 7) == 0;
	unsigned long long remote;
	struct target *t;
	char *end;

	line += remove ? 7 : 6;
	remote = strtoull(line, &end, 16);
	if (*end != ' ' || end[1] == '\0' || strlen(end + 1) >=
	    sizeof(none.target))
		return;
	text_copy(none.target, sizeof(none.target), end + 1);
	t = find_or_add(r, none.target);
	/* A newer word of the owner stands. */
	if (remove && t->word == NULL)
		redis_put_override(r, &none, 0);
	t->remote = remote;
}

bool
overrides_pending(const struct redis *r)
{
	const struct target *t;

	if (r->o.writing > 0)
		return true;
	/* What must be looked at first waits for the next start. */
	TAILQ_FOREACH(t, &r->o.words, word_link) {
		if (!t->look && !r->o.lane.refused)
			return true;
	}
	return false;
}

/* --- the whole --------------------------------------------------------- */

void
overrides_pump(struct redis *r)
{
	struct redis_overrides *o = &r->o;

	send_words(r);
	if (r->draining || r->way == WAY_NONE || o->batch_count > 0)
		return;
	if (!TAILQ_EMPTY(&o->reads))
		send_batch(r);
	else if (o->scanning && !o->scan_sent)
		send_scan(r);
}

/* The server announces the end of a key late, or never: look when it is
 * time.  That also makes the server notice it. */
void
overrides_tick(struct redis *r, int64_t mono_ms)
{
	struct target *t;

	for (t = next_target(r, NULL); t != NULL; t = next_target(r, t)) {
		if (t->end_ms != 0 && mono_ms >= t->end_ms) {
			t->end_ms = 0;
			want_read(r, t);
		}
	}
}

void
overrides_lost(struct redis *r)
{
	struct redis_overrides *o = &r->o;
	struct target *t;
	size_t i;

	for (i = 0; i < o->batch_count; i++) {
		free(o->batch[i].value);
		o->batch[i].value = NULL;
	}
	TAILQ_INIT(&o->reads);
	TAILQ_INIT(&o->missing);
	o->batch_count = o->batch_left = o->writing = o->full_left = 0;
	o->full = o->full_again = o->scanning = o->scan_sent = false;
	for (t = next_target(r, NULL); t != NULL; t = next_target(r, t)) {
		t->to_read = t->reading = t->writing = false;
		t->full_wait = t->full_asked = t->missing = false;
		t->refused = false;
		t->shown = 0;
		t->look = t->word != NULL && !t->restoring;
		if (t->word != NULL)
			want_write(r, t);
	}
	o->lane.delay_ms = o->lane.retry_ms = 0;
}

/* "mailbrake:override:*", with what MATCH takes for a pattern quoted. */
char *
redis_pattern(const char *prefix, const char *more)
{
	char *pattern = xcalloc((strlen(prefix) + strlen(more)) * 2 + 2, 1);
	char *whole = xasprintf("%s%s", prefix, more), *out = pattern;
	const char *p;

	for (p = whole; *p != '\0'; p++) {
		if (strchr("*?[]^\\", *p) != NULL)
			*out++ = '\\';
		*out++ = *p;
	}
	*out = '*';
	free(whole);
	return pattern;
}

void
overrides_init(struct redis *r)
{
	r->o.pattern = redis_pattern(r->override_prefix, "");
	table_init(&r->o.targets);
	table_init(&r->o.families);
	TAILQ_INIT(&r->o.missing);
	TAILQ_INIT(&r->o.words);
	TAILQ_INIT(&r->o.reads);
	r->o.lane.what = "overrides";
}

void
overrides_clear(struct redis *r)
{
	struct target *t;

	while ((t = next_target(r, NULL)) != NULL)
		target_free(r, t);
	table_clear(&r->o.targets);
	table_clear(&r->o.families);
	free(r->o.pattern);
}
