/*
 * incidents.c - the book of incidents as text, for the state file
 */
#include "store/incidents.h"

#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"

#define NAME_MAX_CHARS	48

/* --- book -> JSON -------------------------------------------------------- */

static json_t *
tick_json(const struct incident_tick *t)
{
	if (t->at_ms == 0)
		return json_null();
	return json_pack("{s:I, s:s, s:s}", "at", (json_int_t)t->at_ms,
	    "by", t->by, "note", t->note);
}

static json_t *
listing_json(const struct incident_listing *l)
{
	return json_pack("{s:s, s:s, s:s, s:s, s:I, s:i, s:I, s:I, s:o}",
	    "subject", l->subject, "zone", l->zone, "name", l->name,
	    "text", l->text, "code", (json_int_t)l->code,
	    "weight", l->weight, "since", (json_int_t)l->since_ms,
	    "gone", (json_int_t)l->gone_ms, "asked", tick_json(&l->asked));
}

static json_t *
incident_json(const struct incident *in)
{
	json_t *listings = json_array(), *lines = json_array();
	char text[600];
	size_t i;

	for (i = 0; i < in->listing_count; i++)
		json_array_append_new(listings,
		    listing_json(&in->listings[i]));
	for (i = 0; i < in->line_count; i++)
		json_array_append_new(lines, json_pack("[I, s]",
		    (json_int_t)in->lines[i].at_ms, text_clean(text,
		    sizeof(text), in->lines[i].text,
		    strlen(in->lines[i].text))));
	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:o, s:o, "
	    "s:o, s:o, s:I}", "id", (json_int_t)in->id,
	    "opened", (json_int_t)in->opened_ms,
	    "closed", (json_int_t)in->closed_ms,
	    "stopped", (json_int_t)in->stopped_ms,
	    "refused", (json_int_t)in->mail.refused,
	    "held", (json_int_t)in->mail.held,
	    "rerouted", (json_int_t)in->mail.rerouted,
	    "queued", (json_int_t)in->mail.queued,
	    "cause", tick_json(&in->cause),
	    "removed", tick_json(&in->removed),
	    "listings", listings, "lines", lines,
	    "left_out", (json_int_t)in->left_out);
}

char *
incidents_write(const struct incidents *b)
{
	json_t *array = json_array();
	char *text;
	size_t i;

	for (i = 0; i < incidents_count(b); i++)
		json_array_append_new(array,
		    incident_json(incidents_get(b, i)));
	text = json_dumps(array, JSON_COMPACT);
	json_decref(array);
	if (text == NULL)
		fatalx("incidents: out of memory");
	return text;
}

/* --- JSON -> book -------------------------------------------------------- */

static const char *
text_of(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s != NULL ? s : "";
}

static int64_t
number_of(const json_t *o, const char *key)
{
	return json_integer_value(json_object_get(o, key));
}

/* No longer than what was written, whatever the file says. */
static char *
short_text(const json_t *o, const char *key, size_t size)
{
	const char *text = text_of(o, key);

	return xasprintf("%.*s", (int)size - 1, text);
}

static void
read_tick(struct incident_tick *t, const json_t *o)
{
	if ((t->at_ms = number_of(o, "at")) == 0)
		return;
	t->by = short_text(o, "by", INCIDENT_BY_MAX);
	t->note = short_text(o, "note", INCIDENT_NOTE_MAX);
}

static void
read_listing(struct incident_listing *l, const json_t *o)
{
	l->subject = short_text(o, "subject", BOARD_NAME_MAX);
	l->zone = short_text(o, "zone", BOARD_NAME_MAX);
	l->name = short_text(o, "name", NAME_MAX_CHARS);
	l->text = short_text(o, "text", BOARD_TEXT_MAX);
	l->code = (uint32_t)number_of(o, "code");
	l->weight = (int)number_of(o, "weight");
	l->since_ms = number_of(o, "since");
	l->gone_ms = number_of(o, "gone");
	read_tick(&l->asked, json_object_get(o, "asked"));
}

static void
read_incident(struct incidents *b, const json_t *o)
{
	const json_t *listings = json_object_get(o, "listings");
	const json_t *lines = json_object_get(o, "lines"), *item;
	struct incident in = {
		.id = number_of(o, "id"),
		.opened_ms = number_of(o, "opened"),
		.closed_ms = number_of(o, "closed"),
		.stopped_ms = number_of(o, "stopped"),
		.mail = { .refused = (uint64_t)number_of(o, "refused"),
		    .held = (uint64_t)number_of(o, "held"),
		    .rerouted = (uint64_t)number_of(o, "rerouted"),
		    .queued = (uint64_t)number_of(o, "queued") },
		.left_out = (size_t)number_of(o, "left_out"),
	};
	const char *text;
	size_t i;

	read_tick(&in.cause, json_object_get(o, "cause"));
	read_tick(&in.removed, json_object_get(o, "removed"));
	in.listings = xcalloc(json_array_size(listings),
	    sizeof(*in.listings));
	json_array_foreach(listings, i, item)
		read_listing(&in.listings[in.listing_count++], item);
	in.lines = xcalloc(json_array_size(lines), sizeof(*in.lines));
	json_array_foreach(lines, i, item) {
		text = json_string_value(json_array_get(item, 1));
		if (text == NULL || in.line_count == INCIDENT_LINES_MAX)
			continue;
		in.lines[in.line_count].at_ms =
		    json_integer_value(json_array_get(item, 0));
		in.lines[in.line_count++].text = xstrdup(text);
	}
	incidents_restore(b, &in);
}

bool
incidents_read(struct incidents *b, const char *text)
{
	json_t *root = json_loads(text, 0, NULL);
	const json_t *o;
	bool good = json_is_array(root);
	size_t i;

	json_array_foreach(root, i, o) {
		if (!json_is_object(o) || number_of(o, "id") <= 0 ||
		    number_of(o, "opened") <= 0) {
			good = false;
			continue;
		}
		read_incident(b, o);
	}
	json_decref(root);
	return good;
}
