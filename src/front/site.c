/*
 * site.c - what the event loop writes down for whoever looks
 */
#include "front/site.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/aside.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/show.h"
#include "front/history.h"
#include "front/http.h"
#include "front/metrics.h"
#include "front/page.h"
#include "front/report.h"

static const struct timeval beat_every = { SITE_BEAT_MS / 1000, 0 };

/* How things stood, and what was made of it.  Owns all that it points to, for
 * it is looked at beside the loop. */
struct job {
	struct site		*site;	/* only on the loop */
	json_t			*status, *incident, *events;
	struct history		*history;
	struct metrics_facts	 metrics;
	int64_t			 began_ms;
	char			*text[HTTP_DOCUMENTS];
	size_t			 len[HTTP_DOCUMENTS];
};

struct site {
	struct event_base	*base;
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
	int64_t			 took_ms;	/* of the loop's time */
	int64_t			 total_ms;	/* until it could be read */
	struct aside		*writing;	/* a job, or NULL */
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

/* Beside the loop. */
static void
job_work(void *arg)
{
	struct job *job = arg;
	struct page_facts page = { .status = job->status,
	    .incident = job->incident, .events = job->events,
	    .history = job->history };

	job->metrics.status = job->status;
	job->metrics.incident = job->incident;
	job->text[HTTP_PAGE] = page_render(&page, &job->len[HTTP_PAGE]);
	job->text[HTTP_METRICS] = metrics_render(&job->metrics,
	    &job->len[HTTP_METRICS]);
	job->text[HTTP_STATUS] = json_dumps(job->status, JSON_COMPACT |
	    JSON_ENSURE_ASCII);
	job->len[HTTP_STATUS] = job->text[HTTP_STATUS] == NULL ? 0 :
	    strlen(job->text[HTTP_STATUS]);
}

static void
job_free(void *arg)
{
	struct job *job = arg;
	int i;

	for (i = 0; i < HTTP_DOCUMENTS; i++)
		free(job->text[i]);
	json_decref(job->status);
	json_decref(job->incident);
	json_decref(job->events);
	history_free(job->history);
	free(job);
}

static void
job_done(void *arg)
{
	struct job *job = arg;
	struct site *s = job->site;
	int i;

	s->writing = NULL;
	s->total_ms = clock_mono_ms() - job->began_ms;
	for (i = 0; i < HTTP_DOCUMENTS; i++) {
		if (job->text[i] != NULL)
			http_put(s->http, (enum http_document)i, job->text[i],
			    job->len[i]);
		job->text[i] = NULL;	/* is not ours any more */
	}
	job_free(job);
}

static struct job *
take_down(struct site *s)
{
	struct job *job = xcalloc(1, sizeof(*job));
	int64_t now_ms;

	if (s->ops.settle != NULL)
		s->ops.settle(s->ctx);
	now_ms = clock_wall_ms();
	job->began_ms = clock_mono_ms();
	s->generation = board_generation(s->board);
	s->news = false;
	job->site = s;
	job->status = report_status(s->board, &s->ops, s->ctx, now_ms);
	job->incident = new_incident(s);
	job->events = json_deep_copy(s->events);
	look(s, job->status, now_ms);
	job->history = history_copy(s->history);
	memcpy(job->metrics.events, s->by_kind, sizeof(s->by_kind));
	job->metrics.took_s = (double)s->total_ms / 1000;
	s->written_ms = clock_mono_ms();
	s->took_ms = s->written_ms - job->began_ms;
	return job;
}

static void
write_down(struct site *s)
{
	struct job *job = take_down(s);

	s->writing = aside_run(s->base, job_work, job_done, job);
	if (s->writing == NULL) {	/* no thread to be had */
		job_work(job);
		job_done(job);
	}
}

static void
beat_cb(evutil_socket_t fd, short what, void *arg)
{
	struct site *s = arg;
	int64_t now_ms = clock_mono_ms(), wait_ms;

	(void)fd;
	(void)what;
	http_beat(s->http, now_ms);
	if (s->writing != NULL)
		return;
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
	struct job *first;
	struct http *http;

	if ((http = http_start(endpoint)) == NULL)
		return NULL;
	s = xcalloc(1, sizeof(*s));
	s->base = base;
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
	/* The first one is there when somebody may ask. */
	first = take_down(s);
	job_work(first);
	job_done(first);
	return s;
}

void
site_stop(struct site *s)
{
	if (s == NULL)
		return;
	if (s->beat != NULL)
		event_free(s->beat);
	if (s->writing != NULL)
		aside_cancel(s->writing, job_free);
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
