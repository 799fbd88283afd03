/*
 * site.c - what the event loop writes down for whoever looks
 */
#include "front/site.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "ctl/show.h"
#include "front/history.h"
#include "front/http.h"
#include "front/metrics.h"
#include "front/page.h"
#include "front/report.h"

static const struct timeval beat_every = { SITE_BEAT_MS / 1000, 0 };

struct site {
	struct board		*board;
	struct control_ops	 ops;
	char			*version, *host, *config_file;	/* of ops */
	void			*ctx;
	struct http		*http;
	struct event		*beat;
	struct history		*history;
	json_t			*events;	/* oldest first */
	uint64_t		 by_kind[EVENT_KINDS];
	uint64_t		 generation;	/* written down last */
	bool			 news;		/* an event since then */
	int64_t			 written_ms;	/* monotonic */
	int64_t			 took_ms;
};

static void
look(struct site *s, const json_t *status, int64_t now_ms)
{
	enum state state;
	const json_t *e;
	size_t i;

	history_begin(s->history);
	json_array_foreach(json_object_get(status, "egress"), i, e) {
		if (state_parse(show_text(e, "state"), &state))
			history_see(s->history, show_text(e, "name"), state,
			    show_ms(e, "since"), now_ms);
	}
	history_end(s->history, now_ms);
}

/* The open incident or the last one, or NULL. */
static json_t *
new_incident(struct site *s)
{
	const struct incidents *book = s->ops.incidents != NULL ?
	    s->ops.incidents(s->ctx) : NULL;
	const struct incident *in = book != NULL ? incidents_find(book, 0) :
	    NULL;

	return in != NULL ? report_incident(in, board_policy(s->board)) :
	    NULL;
}

static void
write_down(struct site *s)
{
	int64_t began_ms = clock_mono_ms(), now_ms = clock_wall_ms();
	struct metrics_facts metrics = { .took_s = (double)s->took_ms / 1000 };
	struct page_facts page = { .events = s->events,
	    .history = s->history };
	json_t *status, *in;
	size_t len;
	char *text;

	s->generation = board_generation(s->board);
	s->news = false;
	status = report_status(s->board, &s->ops, s->ctx, now_ms);
	in = new_incident(s);
	look(s, status, now_ms);
	page.status = metrics.status = status;
	page.incident = metrics.incident = in;
	memcpy(metrics.events, s->by_kind, sizeof(metrics.events));
	text = page_render(&page, &len);
	http_put(s->http, HTTP_PAGE, text, len);
	text = metrics_render(&metrics, &len);
	http_put(s->http, HTTP_METRICS, text, len);
	text = json_dumps(status, JSON_COMPACT | JSON_ENSURE_ASCII);
	if (text != NULL)
		http_put(s->http, HTTP_STATUS, text, strlen(text));
	json_decref(status);
	json_decref(in);
	s->written_ms = clock_mono_ms();
	s->took_ms = s->written_ms - began_ms;
}

static void
beat_cb(evutil_socket_t fd, short what, void *arg)
{
	struct site *s = arg;
	int64_t now_ms = clock_mono_ms(), wait_ms;

	(void)fd;
	(void)what;
	http_beat(s->http, now_ms);
	wait_ms = s->news || s->generation != board_generation(s->board) ?
	    0 : SITE_EVERY_MS - SITE_BEAT_MS;
	if (wait_ms < SITE_SHARE * s->took_ms)
		wait_ms = SITE_SHARE * s->took_ms;
	/* The timer may be a little early. */
	if (now_ms - s->written_ms >= wait_ms - SITE_BEAT_MS / 2)
		write_down(s);
}

struct site *
site_start(struct event_base *base, struct board *board,
    const struct endpoint *endpoint, const struct control_ops *ops, void *ctx)
{
	struct site *s;
	struct http *http;

	if ((http = http_start(endpoint)) == NULL)
		return NULL;
	s = xcalloc(1, sizeof(*s));
	s->board = board;
	s->ops = *ops;
	s->ops.version = s->version = xstrdup(ops->version);
	s->ops.host = s->host = xstrdup(ops->host);
	s->ops.config_file = s->config_file = xstrdup(ops->config_file);
	s->ctx = ctx;
	s->http = http;
	s->history = history_new();
	s->events = json_array();
	s->beat = event_new(base, -1, EV_PERSIST, beat_cb, s);
	if (s->beat == NULL || event_add(s->beat, &beat_every) == -1) {
		log_warnx("http socket: no timer");
		site_stop(s);
		return NULL;
	}
	write_down(s);
	return s;
}

void
site_stop(struct site *s)
{
	if (s == NULL)
		return;
	if (s->beat != NULL)
		event_free(s->beat);
	http_stop(s->http);
	history_free(s->history);
	json_decref(s->events);
	free(s->version);
	free(s->host);
	free(s->config_file);
	free(s);
}

void
site_event(struct site *s, const struct board_event *e)
{
	s->by_kind[e->kind]++;
	s->news = true;
	json_array_append_new(s->events, report_event(e));
	if (json_array_size(s->events) > SITE_EVENTS)
		json_array_remove(s->events, 0);
}
