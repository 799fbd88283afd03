/*
 * page_time.c - the time line: states of the last days, drawn
 *
 * A bar for each egress that was ever anything but sending, stretched to the
 * width of the screen.  Height tells the state, so that it can be told
 * without colours: stopped is full, probation half, sending a thin line, and
 * nothing is not known.  The same stands below each bar in words.
 */
#include "front/page.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include <event2/buffer.h>

#include "base/clock.h"
#include "base/duration.h"
#include "base/show.h"
#include "front/history.h"
#include "front/html.h"

#define SPANS		200
#define SPANS_TOLD	4	/* in words */
#define WIDTH		4320	/* of the drawing: a unit is a minute */
#define WIDTH_MIN	20	/* of what is short, but to be seen */
#define HEIGHT		24
#define UNIT_MS		(PAGE_HISTORY_MS / WIDTH)

struct bar {
	int		 y, height;
	const char	*css, *word;
};

static const struct bar bars[STATE_KINDS + 1] = {
	[STATE_SENDING] = { 18, 4, "ok", "sending" },
	[STATE_STOPPED] = { 0, 22, "bad", "stopped" },
	[STATE_PROBATION] = { 10, 12, "warn", "probation" },
	[HISTORY_UNKNOWN] = { 21, 1, "dim", "not known" },
};

static bool
is_worth_a_bar(const struct history_span *spans, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++) {
		if (spans[i].state == STATE_STOPPED ||
		    spans[i].state == STATE_PROBATION)
			return true;
	}
	return false;
}

/* Numbers only: nothing in it needs escaping. */
static void
draw(struct evbuffer *out, const struct history_span *spans, size_t count,
    int64_t from_ms)
{
	size_t i;
	long long x, end, width;

	for (i = 0; i < count; i++) {
		const struct bar *b = &bars[spans[i].state];

		x = (spans[i].from_ms - from_ms) / UNIT_MS;
		end = (spans[i].to_ms - from_ms) / UNIT_MS;
		width = (end < WIDTH ? end : WIDTH) - x;
		/* A stop of a minute is to be seen too. */
		if (width < WIDTH_MIN && spans[i].state != HISTORY_UNKNOWN)
			width = WIDTH_MIN;
		if (x + width > WIDTH)
			x = WIDTH - width;
		evbuffer_add_printf(out, "<rect class=\"%s\" x=\"%lld\" "
		    "y=\"%d\" width=\"%lld\" height=\"%d\"/>", b->css, x,
		    b->y, width, b->height);
	}
}

/* Midnight here, and every one before it. */
static void
draw_days(struct evbuffer *out, int64_t from_ms, int64_t now_ms)
{
	time_t t = (time_t)(now_ms / 1000);
	struct tm tm;
	int i;

	if (localtime_r(&t, &tm) == NULL)
		return;
	tm.tm_hour = tm.tm_min = tm.tm_sec = 0;
	for (i = 0; i <= (int)(PAGE_HISTORY_MS / 86400000); i++) {
		tm.tm_isdst = -1;
		t = mktime(&tm);
		if ((int64_t)t * 1000 > from_ms)
			evbuffer_add_printf(out, "<rect class=\"day\" "
			    "x=\"%lld\" y=\"0\" width=\"6\" "
			    "height=\"%d\"/>", (long long)(((int64_t)t *
			    1000 - from_ms) / UNIT_MS), HEIGHT);
		tm.tm_mday--;
	}
}

/* "stopped 2026-11-22 03:02:11 for 2h 5m" */
static void
tell(struct evbuffer *out, const struct history_span *spans, size_t count,
    int64_t now_ms)
{
	char when[CLOCK_TEXT_MAX], wait[DURATION_TEXT_MAX];
	size_t i, told = 0;

	for (i = count; i > 0 && told < SPANS_TOLD; i--) {
		const struct history_span *s = &spans[i - 1];

		if (s->state != STATE_STOPPED && s->state != STATE_PROBATION)
			continue;
		html_text(out, "%s%s %.16s, %s%s", told++ > 0 ? "; " : "",
		    bars[s->state].word, clock_text(s->from_ms, when),
		    s->to_ms >= now_ms ? "for " : "",
		    s->to_ms >= now_ms ? duration_text((now_ms - s->from_ms) /
		    1000 * 1000, wait) : "");
		if (s->to_ms < now_ms)
			html_text(out, "to %.16s", clock_text(s->to_ms,
			    when));
	}
}

static void
draw_egress(struct evbuffer *out, const char *name,
    const struct history_span *spans, size_t count, int64_t now_ms)
{
	int64_t from_ms = now_ms - PAGE_HISTORY_MS;

	html_raw(out, "<div class=\"bar\"><b>");
	html_text(out, "%s", name);
	html_raw(out, "</b><svg role=\"img\" preserveAspectRatio=\"none\" ");
	evbuffer_add_printf(out, "viewBox=\"0 0 %d %d\"><title>", WIDTH,
	    HEIGHT);
	html_text(out, "States of %s in the last days", name);
	html_raw(out, "</title>");
	draw(out, spans, count, from_ms);
	draw_days(out, from_ms, now_ms);
	html_raw(out, "</svg><p class=\"note\">");
	tell(out, spans, count, now_ms);
	html_raw(out, "</p></div>");
}

void
page_time(struct evbuffer *out, const struct page_facts *facts)
{
	int64_t now_ms = show_ms(facts->status, "now");
	struct history_span spans[SPANS];
	size_t i, count, shown = 0, more = 0, quiet = 0;
	char when[CLOCK_TEXT_MAX];
	const json_t *e;

	html_raw(out, "<section><h2>The last three days</h2>");
	json_array_foreach(json_object_get(facts->status, "egress"), i, e) {
		/* Times come in whole seconds: what began in this one is
		 * to be seen. */
		count = history_spans(facts->history, show_text(e, "name"),
		    now_ms - PAGE_HISTORY_MS, now_ms + UNIT_MS, spans, SPANS);
		if (!is_worth_a_bar(spans, count))
			quiet++;
		else if (shown == PAGE_ROWS)
			more++;
		else {
			draw_egress(out, show_text(e, "name"), spans, count,
			    now_ms);
			shown++;
		}
	}
	if (shown > 0) {
		html_raw(out, "<p class=\"axis\"><span>");
		html_text(out, "%.16s", clock_text(now_ms - PAGE_HISTORY_MS,
		    when));
		html_raw(out, "</span><span>now</span></p><p class=\"note\">"
		    "Full height: stopped. Half: probation. Thin line: "
		    "sending. Nothing: not known. Upright lines: midnight."
		    "</p>");
	}
	html_raw(out, "<p>");
	if (more > 0)
		html_text(out, "%zu more were stopped. ", more);
	if (quiet > 0)
		html_text(out, "%s%zu egress%s %s not seen to stop.",
		    shown > 0 ? "The other " : "", quiet, quiet == 1 ? "" :
		    "es", quiet == 1 ? "was" : "were");
	html_raw(out, "</p></section>");
}
