/*
 * report_incident.c - an incident as JSON
 */
#include "front/report.h"

#include <string.h>

#include "base/text.h"
#include "core/incident.h"
#include "front/json.h"

static json_t *
new_tick(const struct incident_tick *t)
{
	json_t *o;

	if (t->at_ms == 0)
		return json_null();
	o = json_object();
	put_time(o, "at", t->at_ms);
	put_filled(o, "by", t->by);
	put_filled(o, "note", t->note);
	return o;
}

static json_t *
new_listing(const struct incident_listing *l, const struct policy *p)
{
	int list = policy_find_list(p, l->zone);
	json_t *o = json_object();

	put_text(o, "subject", l->subject);
	put_text(o, "zone", l->zone);
	put_text(o, "name", l->name);
	put_filled(o, "text", l->text);
	put_int(o, "weight", l->weight);
	put_time(o, "since", l->since_ms);
	put_time(o, "gone", l->gone_ms);
	put(o, "asked", new_tick(&l->asked));
	put_filled(o, "operator", list < 0 ? NULL : p->lists[list].operator);
	put_link(o, "lookup", list < 0 ? NULL : p->lists[list].lookup,
	    l->subject);
	put_link(o, "delist", list < 0 ? NULL : p->lists[list].delist,
	    l->subject);
	put_filled(o, "note", list < 0 ? NULL : p->lists[list].note);
	put(o, "expires_s", list < 0 || p->lists[list].expires_ms == 0 ?
	    json_null() : json_integer(p->lists[list].expires_ms / 1000));
	return o;
}

static json_t *
new_steps(const struct incident *in)
{
	json_t *array = json_array(), *o;
	int i;

	for (i = 0; i < STEP_KINDS; i++) {
		o = json_object();
		put_text(o, "step", incident_step_name(
		    (enum incident_step)i));
		put_text(o, "state", step_state_name(incident_step_state(in,
		    (enum incident_step)i)));
		json_array_append_new(array, o);
	}
	return array;
}

json_t *
report_incident(const struct incident *in, const struct policy *p)
{
	json_t *o = json_object(), *listings = json_array();
	json_t *lines = json_array(), *line;
	size_t i;

	for (i = 0; i < in->listing_count; i++)
		json_array_append_new(listings,
		    new_listing(&in->listings[i], p));
	for (i = 0; i < in->line_count; i++) {
		line = json_object();
		put_time(line, "at", in->lines[i].at_ms);
		put_text(line, "text", in->lines[i].text);
		json_array_append_new(lines, line);
	}
	put_int(o, "id", in->id);
	put_time(o, "opened", in->opened_ms);
	put_time(o, "closed", in->closed_ms);
	put_time(o, "stopped", in->stopped_ms);
	put(o, "steps", new_steps(in));
	put(o, "cause", new_tick(&in->cause));
	put(o, "removed", new_tick(&in->removed));
	put_int(o, "refused", (int64_t)in->mail.refused);
	put_int(o, "held", (int64_t)in->mail.held);
	put_int(o, "rerouted", (int64_t)in->mail.rerouted);
	put_int(o, "queued", (int64_t)in->mail.queued);
	put(o, "listings", listings);
	put(o, "lines", lines);
	put_int(o, "left_out", (int64_t)in->left_out);
	return o;
}
