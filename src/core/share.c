/*
 * share.c - who asks the lists about what several hosts send by
 */
#include "core/share.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "core/share_parts.h"

#define PEERS_MAX	64
#define TICKS_A_BEAT	4
#define TICKS_A_LEASE	6
#define TICKS_ON_THE_WAY	3
#define LEASE_MIN_MS	3000
/* Redis counts its milliseconds by another clock than ours. */
#define LEASE_SLACK	8	/* an eighth of it is not relied on */

/* --- life -------------------------------------------------------------- */

struct share *
share_new(const char *host)
{
	struct share *s = xcalloc(1, sizeof(*s));
	char *c;

	text_clean(s->host, sizeof(s->host), host, strlen(host));
	for (c = s->host; *c != '\0'; c++) {
		if (*c == ' ')
			*c = '?';	/* it separates words there */
	}
	s->tick_ms = SHARE_TICK_MAX_MS;
	return s;
}

static void
free_peer(struct share *s, struct peer *p)
{
	size_t i;

	for (i = 0; i < s->list_count * SUBJECT_KINDS; i++)
		free(p->results[i].covers);
	free(p->results);
	free(p->subjects_text);
	free(p->subjects);
	free(p->places);
	free(p);
	s->peer_count--;
}

static void
forget(struct share *s)
{
	struct peer *p;
	size_t i;

	while ((p = s->peers) != NULL) {
		s->peers = p->next;
		free_peer(s, p);
	}
	for (i = 0; i < s->subject_count; i++)
		free(s->subjects[i].text);
	for (i = 0; i < s->list_count * SUBJECT_KINDS; i++) {
		free(s->own[i].asked);
		free(s->own[i].hits);
	}
	for (i = 0; i < s->list_count; i++)
		free(s->zones[i]);
	free(s->subjects);
	free(s->by_text);
	free(s->own);
	free(s->zones);
}

void
share_free(struct share *s)
{
	if (s == NULL)
		return;
	forget(s);
	free(s);
}

/* For qsort(), which takes no context. */
static const struct shared_subject *sorting;

static int
compare_texts(const void *a, const void *b)
{
	return strcmp(sorting[*(const size_t *)a].text,
	    sorting[*(const size_t *)b].text);
}

void
share_configure(struct share *s, const struct board *b, int64_t interval_ms)
{
	const struct policy *p = board_policy(b);
	char text[ADDR_TEXT_MAX];
	int64_t tick = interval_ms / TICKS_A_BEAT;
	size_t i;

	forget(s);
	s->generation++;
	s->ready = s->sees = s->dirty = false;
	s->tick_ms = tick < SHARE_TICK_MIN_MS ? SHARE_TICK_MIN_MS :
	    tick > SHARE_TICK_MAX_MS ? SHARE_TICK_MAX_MS : (int)tick;
	s->subject_count = board_subject_count(b);
	s->subjects = xcalloc(s->subject_count, sizeof(*s->subjects));
	s->by_text = xcalloc(s->subject_count, sizeof(*s->by_text));
	for (i = 0; i < s->subject_count; i++) {
		const struct subject *subject = board_subject(b, i);

		s->subjects[i].kind = subject->kind;
		s->subjects[i].text = xstrdup(subject_text(subject, text));
		s->by_text[i] = i;
	}
	sorting = s->subjects;
	qsort(s->by_text, s->subject_count, sizeof(*s->by_text),
	    compare_texts);
	s->list_count = p->list_count;
	s->zones = xcalloc(s->list_count, sizeof(*s->zones));
	for (i = 0; i < s->list_count; i++)
		s->zones[i] = xstrdup(p->lists[i].zone);
	s->own = xcalloc(s->list_count * SUBJECT_KINDS, sizeof(*s->own));
}

void
share_listen(struct share *s, share_told_cb *told, void *ctx)
{
	s->told = told;
	s->told_ctx = ctx;
}

const char *
share_host(const struct share *s)
{
	return s->host;
}

unsigned int
share_generation(const struct share *s)
{
	return s->generation;
}

int
share_tick_ms(const struct share *s)
{
	return s->tick_ms;
}

int
share_lease_ms(const struct share *s)
{
	int ms = s->tick_ms * TICKS_A_LEASE;

	return ms < LEASE_MIN_MS ? LEASE_MIN_MS : ms;
}

/* --- peers ------------------------------------------------------------- */

struct peer *
share_find_peer(const struct share *s, const char *host)
{
	struct peer *p;

	for (p = s->peers; p != NULL; p = p->next) {
		if (strcmp(p->host, host) == 0)
			return p;
	}
	return NULL;
}

static bool
is_holder(const struct share *s, const struct peer *p)
{
	size_t i;

	for (i = 0; i < s->subject_count; i++) {
		if (s->subjects[i].lease == LEASE_OTHER &&
		    s->subjects[i].holder == p)
			return true;
	}
	return false;
}

/* Those that are of no interest any more. */
static void
forget_peers(struct share *s, int64_t now_ms)
{
	struct peer **pp = &s->peers, *p;

	while ((p = *pp) != NULL) {
		if (now_ms - p->met_ms < share_lease_ms(s) ||
		    is_holder(s, p)) {
			pp = &p->next;
			continue;
		}
		*pp = p->next;
		free_peer(s, p);
	}
}

/* NULL if there are too many already. */
static struct peer *
meet_peer(struct share *s, const char *host, int64_t now_ms)
{
	struct peer *p = share_find_peer(s, host);

	if (p == NULL) {
		if (s->peer_count >= PEERS_MAX)
			return NULL;
		p = xcalloc(1, sizeof(*p));
		text_copy(p->host, sizeof(p->host), host);
		p->results = xcalloc(s->list_count * SUBJECT_KINDS,
		    sizeof(*p->results));
		p->next = s->peers;
		s->peers = p;
		s->peer_count++;
	}
	p->met_ms = now_ms;
	return p;
}

size_t
share_peer_count(const struct share *s)
{
	return s->peer_count;
}

const char *
share_peer(const struct share *s, size_t i)
{
	const struct peer *p;

	for (p = s->peers; i > 0; i--)
		p = p->next;
	return p->host;
}

const char *
share_peer_at(const struct share *s, const char *host)
{
	const struct peer *p = share_find_peer(s, host);

	return p != NULL ? p->at : "";
}

int
share_place(const struct peer *p, size_t subject)
{
	size_t lo = 0, hi = p->place_count, mid;

	while (lo < hi) {
		mid = (lo + hi) / 2;
		if (p->places[mid].mine == subject)
			return (int)p->places[mid].theirs;
		if (p->places[mid].mine < subject)
			lo = mid + 1;
		else
			hi = mid;
	}
	return -1;
}

/* --- leases ------------------------------------------------------------ */

size_t
share_subject_count(const struct share *s)
{
	return s->subject_count;
}

const char *
share_subject(const struct share *s, size_t i)
{
	return s->subjects[i].text;
}

void
share_sees(struct share *s, bool sees)
{
	s->ready = true;
	s->sees = sees;
}

bool
share_ready(const struct share *s)
{
	return s->ready;
}

bool
share_wants(const struct share *s)
{
	return s->sees;
}

static void
set_lease(struct shared_subject *subject, enum lease_state state,
    struct peer *holder, uint64_t fence, int64_t until_ms)
{
	subject->lease = state;
	subject->holder = holder;
	subject->fence = fence;
	subject->until_ms = until_ms;
}

void
share_lease(struct share *s, size_t i, const char *value, int64_t sent_ms)
{
	struct shared_subject *subject = &s->subjects[i];
	char host[SHARE_HOST_MAX], asker[SHARE_HOST_MAX] = "";
	int64_t until_ms = sent_ms + share_lease_ms(s) -
	    share_lease_ms(s) / LEASE_SLACK;
	enum lease_state was = subject->lease;
	uint64_t fence_was = subject->fence, fence;
	struct peer *p;

	if (strlen(value) >= 2 * SHARE_HOST_MAX ||
	    sscanf(value, "%255s %" SCNu64 " %255s", host, &fence, asker) <
	    2) {
		set_lease(subject, LEASE_NONE, NULL, 0, 0);
	} else if (strcmp(host, s->host) == 0) {
		set_lease(subject, LEASE_MINE, NULL, fence, until_ms);
		if (asker[0] != '\0' && strcmp(asker, s->host) != 0) {
			subject->wanted_ms = sent_ms;
			meet_peer(s, asker, sent_ms);
		}
	} else if ((p = meet_peer(s, host, sent_ms)) != NULL) {
		set_lease(subject, LEASE_OTHER, p, fence, until_ms);
	} else {
		set_lease(subject, LEASE_NONE, NULL, 0, 0);
	}
	/* What others may make of our results depends on it. */
	if (subject->lease != was || subject->fence != fence_was ||
	    share_is_shared(s, i, sent_ms) != subject->written)
		s->dirty = true;
}

void
share_tick(struct share *s, int64_t now_ms)
{
	if (now_ms - s->ticked_ms >= share_lease_ms(s))
		s->awake_ms = now_ms;
	s->ticked_ms = now_ms;
	forget_peers(s, now_ms);
}

void
share_lost(struct share *s)
{
	size_t i;

	for (i = 0; i < s->subject_count; i++)
		set_lease(&s->subjects[i], LEASE_NONE, NULL, 0, 0);
	share_unwritten(s);
}

bool
share_is_shared(const struct share *s, size_t i, int64_t now_ms)
{
	const struct shared_subject *subject = &s->subjects[i];

	if (subject->lease == LEASE_NONE || now_ms >= subject->until_ms)
		return false;
	return subject->lease == LEASE_OTHER || (subject->wanted_ms != 0 &&
	    now_ms - subject->wanted_ms < share_lease_ms(s));
}

bool
share_leaves(const struct share *s, size_t i, size_t list, int64_t every_ms,
    int64_t now_ms)
{
	const struct shared_subject *subject = &s->subjects[i];
	const struct peer_result *r;
	int place;

	if (subject->lease != LEASE_OTHER || now_ms >= subject->until_ms ||
	    (place = share_place(subject->holder, i)) == -1 ||
	    subject->holder->subjects[place].fence != subject->fence)
		return false;
	r = &subject->holder->results[result_of(list, subject->kind)];
	/* One and a half of our own beats, for theirs need not be in step,
	 * and what it takes to write and to read. */
	return r->heard_ms != 0 && bit_get(r->covers, (size_t)place) &&
	    now_ms - r->heard_ms <= every_ms + every_ms / 2 +
	    TICKS_ON_THE_WAY * s->tick_ms;
}

void
share_count(const struct share *s, int64_t now_ms, size_t *held, size_t *left)
{
	size_t i;

	*held = *left = 0;
	for (i = 0; i < s->subject_count; i++) {
		if (now_ms >= s->subjects[i].until_ms)
			continue;
		*held += s->subjects[i].lease == LEASE_MINE;
		*left += s->subjects[i].lease == LEASE_OTHER;
	}
}

/* --- what this host found ---------------------------------------------- */

void
share_round(struct share *s, size_t list, enum subject_kind kind, bool usable,
    int64_t stamp, int64_t began_ms, int64_t now_ms)
{
	struct own_result *r = &s->own[result_of(list, kind)];

	/* About nothing, as before: that is no news. */
	s->dirty = s->dirty || r->asked != NULL;
	free(r->asked);
	r->asked = NULL;
	r->hit_count = 0;
	r->stamp = stamp;
	r->usable = usable && began_ms >= s->awake_ms &&
	    now_ms - s->ticked_ms < share_lease_ms(s);
}

void
share_answer(struct share *s, size_t subject, size_t list, bool present,
    uint32_t code, bool confirmed, int64_t now_ms)
{
	struct own_result *r = &s->own[result_of(list,
	    s->subjects[subject].kind)];
	size_t i;

	if (!r->usable || !share_is_shared(s, subject, now_ms))
		return;
	if (r->asked == NULL)
		r->asked = xcalloc((s->subject_count + 7) / 8, 1);
	bit_set(r->asked, subject);
	/* In a round they come in order. */
	i = r->hit_count;
	if (i > 0 && r->hits[i - 1].subject >= subject) {
		for (i = 0; i < r->hit_count; i++) {
			if (r->hits[i].subject == subject)
				break;
		}
	}
	if (present) {
		if (i == r->hit_count)
			r->hits = xreallocarray(r->hits, ++r->hit_count,
			    sizeof(*r->hits));
		r->hits[i] = (struct shared_hit){ subject, code, confirmed };
	} else if (i < r->hit_count) {
		r->hits[i] = r->hits[--r->hit_count];
	}
	s->dirty = true;
}

void
share_unwritten(struct share *s)
{
	size_t i;

	for (i = 0; i < s->subject_count; i++)
		s->subjects[i].written = false;
	s->dirty = true;
}

/* --- what follows ------------------------------------------------------ */

enum share_use
share_use(enum health own, bool known, bool present)
{
	if (own == HEALTH_UNKNOWN)
		return SHARE_NOTHING;
	if (own != HEALTH_USABLE)
		return present ? SHARE_TAKE : SHARE_NOTHING;
	if (known)
		return SHARE_NOTHING;
	return present ? SHARE_LOOK : SHARE_CLEAN;
}
