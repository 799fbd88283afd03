/*
 * history.c - which state each egress was in, the last days
 */
#include "front/history.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

struct change {
	int64_t		 at_ms;
	uint32_t	 egress;	/* index of names */
	uint8_t		 state;
};

struct name {
	char		*text;
	uint8_t		 state;		/* now */
	bool		 seen;
};

struct history {
	struct change	 ring[HISTORY_CHANGES];
	size_t		 count;		/* ever */
	struct name	*names;
	size_t		 name_count;
	size_t		 guess;		/* they come in the same order */
};

struct history *
history_new(void)
{
	return xcalloc(1, sizeof(struct history));
}

void
history_free(struct history *h)
{
	size_t i;

	if (h == NULL)
		return;
	for (i = 0; i < h->name_count; i++)
		free(h->names[i].text);
	free(h->names);
	free(h);
}

struct history *
history_copy(const struct history *h)
{
	struct history *copy = history_new();
	size_t i;

	*copy = *h;
	copy->names = xcalloc(h->name_count, sizeof(*h->names));
	for (i = 0; i < h->name_count; i++) {
		copy->names[i] = h->names[i];
		copy->names[i].text = xstrdup(h->names[i].text);
	}
	return copy;
}

void
history_begin(struct history *h)
{
	size_t i;

	for (i = 0; i < h->name_count; i++)
		h->names[i].seen = false;
	h->guess = 0;
}

/* name_count if it is new. */
static size_t
find(const struct history *h, const char *egress)
{
	size_t i;

	if (h->guess < h->name_count &&
	    strcmp(h->names[h->guess].text, egress) == 0)
		return h->guess;
	for (i = 0; i < h->name_count; i++) {
		if (strcmp(h->names[i].text, egress) == 0)
			break;
	}
	return i;
}

static void
note(struct history *h, size_t i, int state, int64_t at_ms)
{
	struct change *c = &h->ring[h->count++ % HISTORY_CHANGES];

	*c = (struct change){ at_ms, (uint32_t)i, (uint8_t)state };
	h->names[i].state = (uint8_t)state;
}

static const struct change *
last_change(const struct history *h, size_t egress)
{
	const struct change *c;
	size_t i, kept;

	kept = h->count < HISTORY_CHANGES ? h->count : HISTORY_CHANGES;
	for (i = 1; i <= kept; i++) {
		c = &h->ring[(h->count - i) % HISTORY_CHANGES];
		if (c->egress == egress)
			return c;
	}
	return NULL;
}

void
history_see(struct history *h, const char *egress, enum state state,
    int64_t since_ms, int64_t now_ms)
{
	const struct change *last;
	size_t i = find(h, egress);

	if (i == h->name_count) {
		h->names = xreallocarray(h->names, h->name_count + 1,
		    sizeof(*h->names));
		h->names[h->name_count++] = (struct name){
		    .text = xstrdup(egress), .state = HISTORY_UNKNOWN };
	}
	h->guess = i + 1;
	h->names[i].seen = true;
	if (h->names[i].state == state)
		return;
	/* It may have lasted a little already, but not from before what is
	 * known to have been otherwise. */
	last = last_change(h, i);
	if (since_ms == 0 || since_ms > now_ms ||
	    (last != NULL && since_ms < last->at_ms))
		since_ms = now_ms;
	note(h, i, (int)state, since_ms);
}

void
history_end(struct history *h, int64_t now_ms)
{
	size_t i;

	for (i = 0; i < h->name_count; i++) {
		if (!h->names[i].seen &&
		    h->names[i].state != HISTORY_UNKNOWN)
			note(h, i, HISTORY_UNKNOWN, now_ms);
	}
}

/* Puts a span before the others; false if there is no room. */
static bool
push(struct history_span *spans, size_t max, size_t *count, int64_t from_ms,
    int64_t to_ms, int state)
{
	if (from_ms >= to_ms)
		return true;
	if (*count > 0 && spans[max - *count].state == state) {
		spans[max - *count].from_ms = from_ms;
		return true;
	}
	if (*count == max)
		return false;
	spans[max - ++*count] = (struct history_span){ from_ms, to_ms,
	    state };
	return true;
}

size_t
history_spans(const struct history *h, const char *egress, int64_t from_ms,
    int64_t to_ms, struct history_span *spans, size_t max)
{
	int64_t end_ms = to_ms, begin_ms;
	size_t i, kept, count = 0, which = find(h, egress);
	const struct change *c;

	kept = h->count < HISTORY_CHANGES ? h->count : HISTORY_CHANGES;
	/* From the latest to the oldest, filled from the end. */
	for (i = 1; i <= kept && end_ms > from_ms; i++) {
		c = &h->ring[(h->count - i) % HISTORY_CHANGES];
		if (c->egress != which || c->at_ms >= end_ms)
			continue;
		begin_ms = c->at_ms > from_ms ? c->at_ms : from_ms;
		if (!push(spans, max, &count, begin_ms, end_ms, c->state))
			break;
		end_ms = begin_ms;
	}
	/* Every change since the oldest that is kept is kept. */
	if (count == 0 && which < h->name_count &&
	    h->count > HISTORY_CHANGES) {
		begin_ms = h->ring[h->count % HISTORY_CHANGES].at_ms;
		if (begin_ms < from_ms)
			begin_ms = from_ms;
		push(spans, max, &count, begin_ms, end_ms,
		    h->names[which].state);
		if (begin_ms < end_ms)
			end_ms = begin_ms;
	}
	if (count < max)
		push(spans, max, &count, from_ms, end_ms, HISTORY_UNKNOWN);
	memmove(spans, spans + max - count, count * sizeof(*spans));
	return count;
}
