/*
 * share_text.c - what hosts write about what they found, and how it is read
 *
 * A text of lines.  The first differs from writing to writing; then come the
 * subjects with the numbers of their leases, 0 without one; then a line for
 * each list and kind:
 *
 *	at 1766402461123.4
 *	subjects 203.0.113.7/17 203.0.113.8/0 example.org/18
 *	ipv4 bl.example 1766402460002 0-1 1=127.0.0.2!
 *
 * A result has a stamp that differs from round to round, then the subjects
 * that it is about by their place in the line, and those of them that are
 * not clean; "!" says that a second look agreed.  "-" is about none.  All of
 * it is foreign when it is read.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "core/share_parts.h"

#define SUBJECTS_MAX	100000		/* of one peer */
#define NUMBER_MAX	48

/* A text that grows. */
struct text {
	char	*v;
	size_t	 len, room;
};

static void
add(struct text *t, const char *word)
{
	size_t len = strlen(word);

	if (t->len + len + 1 > t->room) {
		t->room = 2 * (t->len + len + 1);
		t->v = xreallocarray(t->v, t->room, 1);
	}
	memcpy(t->v + t->len, word, len + 1);
	t->len += len;
}

/* --- writing ----------------------------------------------------------- */

/* Gives each subject that others may want its place; how many there are. */
static size_t
write_subjects(struct share *s, struct text *t, size_t *places,
    int64_t now_ms)
{
	char fence[NUMBER_MAX];
	size_t i, count = 0;

	add(t, "subjects");
	for (i = 0; i < s->subject_count; i++) {
		struct shared_subject *subject = &s->subjects[i];

		places[i] = SIZE_MAX;
		subject->written = share_is_shared(s, i, now_ms);
		if (!subject->written)
			continue;
		places[i] = count++;
		add(t, " ");
		add(t, subject->text);
		snprintf(fence, sizeof(fence), "/%" PRIu64,
		    subject->lease == LEASE_MINE ? subject->fence : 0);
		add(t, fence);
	}
	add(t, "\n");
	return count;
}

static void
write_range(struct text *t, bool *any, size_t first, size_t last)
{
	char range[NUMBER_MAX];

	snprintf(range, sizeof(range), first == last ? "%s%zu" : "%s%zu-%zu",
	    *any ? "," : "", first, last);
	add(t, range);
	*any = true;
}

/* "0-3,7": places rise with the subjects. */
static void
write_ranges(const struct share *s, const struct own_result *r,
    const size_t *places, struct text *t)
{
	size_t i, first = 0, last = SIZE_MAX;
	bool any = false;

	for (i = 0; i < s->subject_count; i++) {
		if (!bit_get(r->asked, i) || places[i] == SIZE_MAX)
			continue;
		if (last != SIZE_MAX && places[i] != last + 1) {
			write_range(t, &any, first, last);
			last = SIZE_MAX;
		}
		if (last == SIZE_MAX)
			first = places[i];
		last = places[i];
	}
	if (last != SIZE_MAX)
		write_range(t, &any, first, last);
	if (!any)
		add(t, "-");
}

static void
write_result(const struct share *s, size_t n, const size_t *places,
    struct text *t)
{
	const struct own_result *r = &s->own[n];
	char word[NUMBER_MAX];
	size_t i;

	add(t, subject_kind_name((enum subject_kind)(n % SUBJECT_KINDS)));
	add(t, " ");
	add(t, s->zones[n / SUBJECT_KINDS]);
	snprintf(word, sizeof(word), " %" PRId64 " ", r->stamp);
	add(t, word);
	write_ranges(s, r, places, t);
	for (i = 0; i < r->hit_count; i++) {
		const struct shared_hit *h = &r->hits[i];

		if (places[h->subject] == SIZE_MAX)
			continue;
		snprintf(word, sizeof(word), " %zu=%u.%u.%u.%u%s",
		    places[h->subject], h->code >> 24, h->code >> 16 & 255,
		    h->code >> 8 & 255, h->code & 255,
		    h->confirmed ? "!" : "");
		add(t, word);
	}
	add(t, "\n");
}

char *
share_write(struct share *s, int64_t now_ms)
{
	struct text t = { 0 };
	char at[NUMBER_MAX];
	size_t *places, i, count;

	if (!s->dirty)
		return NULL;
	s->dirty = false;
	places = xcalloc(s->subject_count, sizeof(*places));
	snprintf(at, sizeof(at), "at %" PRId64 ".%" PRIu64 "\n", now_ms,
	    ++s->writes);
	add(&t, at);
	count = write_subjects(s, &t, places, now_ms);
	for (i = 0; count > 0 && i < s->list_count * SUBJECT_KINDS; i++) {
		if (s->own[i].stamp != 0)
			write_result(s, i, places, &t);
	}
	free(places);
	if (count == 0) {
		free(t.v);
		return NULL;
	}
	return t.v;
}

/* --- reading ----------------------------------------------------------- */

/* The board's index of a subject with that text, or SIZE_MAX. */
static size_t
find_subject(const struct share *s, const char *text)
{
	size_t lo = 0, hi = s->subject_count, mid;
	int order;

	while (lo < hi) {
		mid = (lo + hi) / 2;
		order = strcmp(text, s->subjects[s->by_text[mid]].text);
		if (order == 0)
			return s->by_text[mid];
		if (order > 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return SIZE_MAX;
}

static int
compare_places(const void *a, const void *b)
{
	const struct peer_place *x = a, *y = b;

	return x->mine < y->mine ? -1 : x->mine > y->mine;
}

/* Numbers mean others now: what results cover is not known until the next
 * of them. */
static void
read_subjects(struct share *s, struct peer *p, const char *text)
{
	char *copy = xstrdup(text), *rest = copy, *word, *slash;
	size_t i, count = 0, places = 0;

	for (i = 0; i < s->list_count * SUBJECT_KINDS; i++) {
		free(p->results[i].covers);
		p->results[i].covers = NULL;
	}
	free(p->subjects_text);
	p->subjects_text = xstrdup(text);
	for (i = 0; text[i] != '\0'; i++)
		count += text[i] == ' ';
	count = count + 1 > SUBJECTS_MAX ? SUBJECTS_MAX : count + 1;
	p->subjects = xreallocarray(p->subjects, count,
	    sizeof(*p->subjects));
	p->places = xreallocarray(p->places, count, sizeof(*p->places));
	p->subject_count = 0;
	strsep(&rest, " ");		/* "subjects" */
	while ((word = strsep(&rest, " ")) != NULL &&
	    p->subject_count < count) {
		struct peer_subject *subject =
		    &p->subjects[p->subject_count];

		*subject = (struct peer_subject){ SIZE_MAX, 0 };
		if ((slash = strrchr(word, '/')) != NULL) {
			*slash = '\0';
			subject->mine = find_subject(s, word);
			subject->fence = strtoull(slash + 1, NULL, 10);
		}
		if (subject->mine != SIZE_MAX)
			p->places[places++] = (struct peer_place){
			    subject->mine, p->subject_count };
		p->subject_count++;
	}
	p->place_count = places;
	qsort(p->places, places, sizeof(*p->places), compare_places);
	free(copy);
}

/* "0-3,7": true if it is well formed. */
static bool
read_ranges(const char *text, uint8_t *bits, size_t count)
{
	unsigned long first, last;
	char *end;

	if (strcmp(text, "-") == 0)
		return true;
	for (;;) {
		first = last = strtoul(text, &end, 10);
		if (end == text)
			return false;
		if (*end == '-') {
			text = end + 1;
			last = strtoul(text, &end, 10);
			if (end == text)
				return false;
		}
		if (first > last || last >= count)
			return false;
		for (; first <= last; first++)
			bit_set(bits, first);
		if (*end == '\0')
			return true;
		if (*end != ',')
			return false;
		text = end + 1;
	}
}

/* "1=127.0.0.2!": false if it is nothing of the kind. */
static bool
read_hit(char *word, size_t count, struct shared_hit *out)
{
	struct addr addr;
	unsigned long n;
	char *end;
	size_t len;

	n = strtoul(word, &end, 10);
	if (end == word || *end != '=' || n >= count)
		return false;
	word = end + 1;
	len = strlen(word);
	out->subject = n;
	out->confirmed = len > 0 && word[len - 1] == '!';
	if (out->confirmed)
		word[len - 1] = '\0';
	if (!addr_parse(word, &addr) || addr.family != ADDR_IPV4)
		return false;
	out->code = (uint32_t)addr.bytes[0] << 24 |
	    (uint32_t)addr.bytes[1] << 16 | (uint32_t)addr.bytes[2] << 8 |
	    addr.bytes[3];
	return true;
}

/* Is what this peer says of that subject of its own to be heard? */
static bool
speaks(const struct share *s, const struct peer *p, size_t theirs)
{
	const struct peer_subject *subject = &p->subjects[theirs];
	const struct shared_subject *mine;

	if (subject->mine == SIZE_MAX)
		return false;
	mine = &s->subjects[subject->mine];
	/* Of the holder what it asked as such; of another what it asked
	 * besides, which is heard where this host is blind. */
	return mine->lease == LEASE_OTHER && mine->holder == p ?
	    mine->fence == subject->fence :
	    mine->lease == LEASE_MINE && subject->fence == 0;
}

static void
tell(struct share *s, const struct peer *p, size_t list, size_t theirs,
    const struct shared_hit *hit)
{
	struct share_told told = { .subject = p->subjects[theirs].mine,
	    .list = list };

	if (hit != NULL) {
		told.present = true;
		told.code = hit->code;
		told.confirmed = hit->confirmed;
	}
	if (s->told != NULL)
		s->told(s->told_ctx, &told);
}

/* What is clean: all that it is about, but for the hits. */
static void
tell_clean(struct share *s, const struct peer *p, size_t list,
    const uint8_t *covers, const uint8_t *hit)
{
	size_t i;

	for (i = 0; i < p->place_count; i++) {
		size_t theirs = p->places[i].theirs;

		if (bit_get(covers, theirs) && !bit_get(hit, theirs) &&
		    speaks(s, p, theirs))
			tell(s, p, list, theirs, NULL);
	}
}

static void
forget_result(struct peer_result *r)
{
	free(r->covers);
	r->covers = NULL;
}

static void
read_hits(struct share *s, const struct peer *p, size_t list, char *words,
    const uint8_t *covers, bool fresh, uint8_t *hit)
{
	struct shared_hit h;
	char *word;

	while ((word = strsep(&words, " ")) != NULL) {
		if (!read_hit(word, p->subject_count, &h) ||
		    !bit_get(covers, h.subject))
			continue;
		bit_set(hit, h.subject);
		/* A second look there is news in the same round. */
		if ((fresh || h.confirmed) && speaks(s, p, h.subject))
			tell(s, p, list, h.subject, &h);
	}
}

/* heard: it is known what was there before. */
static void
read_result(struct share *s, struct peer *p, size_t list,
    struct peer_result *r, char *text, bool heard)
{
	size_t bytes = (p->subject_count + 7) / 8;
	uint8_t *covers = xcalloc(bytes, 1), *hit = xcalloc(bytes, 1);
	const char *stamp = strsep(&text, " "), *ranges = strsep(&text, " ");
	bool fresh;

	fresh = heard && strcmp(stamp, r->stamp) != 0;
	text_copy(r->stamp, sizeof(r->stamp), stamp);
	if (ranges == NULL || strcmp(ranges, "-") == 0 ||
	    !read_ranges(ranges, covers, p->subject_count)) {
		forget_result(r);
	} else if (fresh) {
		/* It came since the last reading: it is no older. */
		r->heard_ms = p->read_ms;
		read_hits(s, p, list, text, covers, true, hit);
		tell_clean(s, p, list, covers, hit);
		forget_result(r);
		r->covers = covers;
		covers = NULL;
	} else if (r->covers != NULL) {
		read_hits(s, p, list, text, covers, false, hit);
	}
	free(covers);
	free(hit);
}

/* "ipv4 bl.example ...": moves *line behind it.  -1 if it is about nothing
 * that is asked here. */
static int
find_result(const struct share *s, char **line, size_t *list)
{
	const char *word = strsep(line, " "), *zone = strsep(line, " ");
	enum subject_kind kind;
	size_t i;

	if (zone == NULL || *line == NULL)
		return -1;
	for (kind = 0; kind < SUBJECT_KINDS; kind++) {
		if (strcmp(word, subject_kind_name(kind)) == 0)
			break;
	}
	for (i = 0; kind < SUBJECT_KINDS && i < s->list_count; i++) {
		if (strcmp(s->zones[i], zone) == 0) {
			*list = i;
			return (int)result_of(i, kind);
		}
	}
	return -1;
}

void
share_read(struct share *s, const char *host, const char *text,
    int64_t now_ms)
{
	static const char head[] = "subjects ";
	struct peer *p = share_find_peer(s, host);
	char *copy, *rest, *line;
	size_t list;
	bool heard;
	int n;

	if (p == NULL)
		return;
	/* What lay there before may be of any age. */
	heard = p->read_ms != 0 &&
	    now_ms - p->read_ms < share_lease_ms(s);
	rest = copy = xstrdup(text);
	line = strsep(&rest, "\n");
	text_copy(p->at, sizeof(p->at), line);
	line = strsep(&rest, "\n");
	if (line == NULL || strncmp(line, head, strlen(head)) != 0)
		line = "";
	if (p->subjects_text == NULL || strcmp(p->subjects_text, line) != 0)
		read_subjects(s, p, line);
	while ((line = strsep(&rest, "\n")) != NULL) {
		if ((n = find_result(s, &line, &list)) != -1)
			read_result(s, p, list, &p->results[n], line, heard);
	}
	free(copy);
	p->read_ms = now_ms;
}

void
share_read_same(struct share *s, const char *host, int64_t now_ms)
{
	struct peer *p = share_find_peer(s, host);

	if (p != NULL)
		p->read_ms = now_ms;
}
