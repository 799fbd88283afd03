/*
 * setup.c - mailbrake setup: Postfix' configuration shown, set, looked at,
 * put back
 *
 * Everything goes through postconf(1), so that what is shown is what is
 * done.  Old values are on disk before the first command runs.
 */
#include <sys/socket.h>
#include <sys/stat.h>

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"
#include "conf/config.h"
#include "conf/config_schema.h"
#include "conf/wiring.h"
#include "ctl/ctl.h"
#include "ctl/link.h"
#include "ctl/run.h"
#include "ctl/setup_live.h"
#include "ctl/setup_plan.h"
#include "ctl/setup_undo.h"
#include "watch/hostroute.h"

#define GREETING_MS	8000	/* for a listener after a reload */

struct setup {
	const struct args	*args;
	struct screen		 screen;
	struct config		*conf;
	char			*directory;	/* Postfix' configuration */
	bool			 other;		/* not the default one */
	char			*version;
	struct wiring		*is, *raw;
	struct wiring_want	 want;
	struct addr		 host[HOSTROUTE_MAX];
	struct plan_ask		 ask;
	char			*undo_path;
};

/* --- Postfix' commands ------------------------------------------------- */

/* What postconf prints; NULL after a complaint.  The caller frees it. */
static char *
postconf(const struct setup *s, const char *option, const char *name)
{
	const char *argv[6] = { "postconf" };
	char *out, *err;
	int n = 1, status;

	if (s->directory != NULL) {
		argv[n++] = "-c";
		argv[n++] = s->directory;
	}
	if (option != NULL)
		argv[n++] = option;
	if (name != NULL)
		argv[n++] = name;
	status = run_program(argv, &out, &err);
	if (status != 0) {
		complain("postconf%s%s does not work%s%s", option != NULL ?
		    " " : "", option != NULL ? option : "", *err != '\0' ?
		    ": " : ": is Postfix installed?", err);
		free(out);
		out = NULL;
	}
	free(err);
	return out;
}

/* Runs "postconf OPTION ARGUMENT"; NULL, or what it said, which the caller
 * frees. */
static char *
edit(const struct setup *s, const char *option, const char *argument)
{
	const char *const argv[] = { "postconf", "-c", s->directory, option,
	    argument, NULL };
	char *out, *err, *why = NULL;
	char clean[512];

	if (run_program(argv, &out, &err) != 0)
		why = xasprintf("postconf %s: %s", option, text_clean(clean,
		    sizeof(clean), err, strlen(err)));
	free(out);
	free(err);
	return why;
}

/* "postfix WORD"; the exit status, what it said in *said. */
static int
postfix(const struct setup *s, const char *word, char **said)
{
	const char *const argv[] = { "postfix", "-c", s->directory, word,
	    NULL };
	char *out, *err, clean[512];
	int status = run_program(argv, &out, &err);

	if (said != NULL)
		*said = xstrdup(text_clean(clean, sizeof(clean), err,
		    strlen(err)));
	free(out);
	free(err);
	return status;
}

static bool
is_running(const struct setup *s)
{
	return postfix(s, "status", NULL) == 0;
}

static struct wiring *
look(const struct setup *s, bool expanded)
{
	char *services = postconf(s, "-M", NULL), *overrides, *settings;
	struct wiring *w = NULL;

	if (services == NULL)
		return NULL;
	overrides = postconf(s, expanded ? "-Px" : "-P", NULL);
	settings = postconf(s, expanded ? "-x" : NULL, NULL);
	if (overrides != NULL && settings != NULL)
		w = wiring_parse(services, overrides, settings);
	free(services);
	free(overrides);
	free(settings);
	return w;
}

/* Both views anew.  False after a complaint. */
static bool
look_again(struct setup *s)
{
	wiring_free(s->is);
	wiring_free(s->raw);
	s->is = look(s, true);
	s->raw = s->is != NULL ? look(s, false) : NULL;
	return s->raw != NULL;
}

/* One value of "postconf -h" as text without its newline. */
static char *
one_value(const struct setup *s, const char *name)
{
	char *text = postconf(s, "-xh", name);

	if (text != NULL)
		text[strcspn(text, "\n")] = '\0';
	return text;
}

/* --- old and new values ------------------------------------------------ */

/* A value as it is written now; NULL: not set (a default does not count).
 * The caller frees it. */
static char *
written(const struct setup *s, const struct wiring *set, enum change_kind kind,
    const char *service, const char *name)
{
	char *line, *end;

	switch (kind) {
	case CHANGE_MAIN:
		return xstrdup(wiring_main(set, name));
	case CHANGE_OVERRIDE:
		return xstrdup(wiring_override(set, service, name));
	case CHANGE_SERVICE:
		if (wiring_service(set, service) == NULL)
			return NULL;
		line = postconf(s, "-M", service);
		if (line != NULL && (end = strchr(line, '\n')) != NULL)
			*end = '\0';
		return line;
	}
	return NULL;
}

/* Like look(), but of main.cf only what stands there. */
static struct wiring *
look_written(const struct setup *s)
{
	char *services = postconf(s, "-M", NULL), *overrides, *settings;
	struct wiring *w = NULL;

	overrides = services != NULL ? postconf(s, "-P", NULL) : NULL;
	settings = overrides != NULL ? postconf(s, "-n", NULL) : NULL;
	if (settings != NULL)
		w = wiring_parse(services, overrides, settings);
	free(services);
	free(overrides);
	free(settings);
	return w;
}

/* The option in the service's line is what starts there: "-o name=" or
 * "-o {name="; NULL: it has none. */
static char *
find_option(char *line, const char *name, size_t *len)
{
	size_t name_len = strlen(name);
	char *at = line, *v, *end;
	int depth;

	while ((at = strstr(at, " -o ")) != NULL) {
		v = at + 4;
		for (end = v, depth = 0; *end != '\0' && (depth > 0 ||
		    *end != ' '); end++)
			depth += (*end == '{') - (*end == '}');
		*len = (size_t)(end - at);
		v += *v == '{';
		v += strspn(v, " ");
		if (strncmp(v, name, name_len) == 0 &&
		    v[name_len + strspn(v + name_len, " ")] == '=')
			return at;
		at = end;
	}
	return NULL;
}

/* "postconf -P" takes no white space: the whole line is written instead. */
static char *
put_spaced(const struct setup *s, const char *service, const char *name,
    const char *value)
{
	char *line = postconf(s, "-M", service), *at, *all, *why;
	size_t len = 0;

	if (line == NULL)
		return xstrdup("the service cannot be read");
	line[strcspn(line, "\n")] = '\0';
	at = find_option(line, name, &len);
	if (at == NULL)
		at = line + strlen(line);
	all = xasprintf("%s=%.*s -o {%s=%s}%s", service, (int)(at - line),
	    line, name, value, at + len);
	why = edit(s, "-M", all);
	free(all);
	free(line);
	return why;
}

/* Sets a value, or with NULL takes it away. */
static char *
put(const struct setup *s, enum change_kind kind, const char *service,
    const char *name, const char *value)
{
	char *argument, *why;

	switch (kind) {
	case CHANGE_SERVICE:
		if (value == NULL)
			return edit(s, "-MX", service);
		argument = xasprintf("%s=%s", service, value);
		why = edit(s, "-M", argument);
		break;
	case CHANGE_MAIN:
		if (value == NULL)
			return edit(s, "-X", name);
		argument = xasprintf("%s=%s", name, value);
		why = edit(s, "-e", argument);
		break;
	case CHANGE_OVERRIDE:
	default:
		if (value != NULL && strpbrk(value, " \t") != NULL)
			return put_spaced(s, service, name, value);
		argument = value != NULL ? xasprintf("%s/%s=%s", service,
		    name, value) : xasprintf("%s/%s", service, name);
		why = edit(s, value != NULL ? "-P" : "-PX", argument);
		break;
	}
	free(argument);
	return why;
}

/* --- what is printed --------------------------------------------------- */

static void
print_command(const struct setup *s, const struct change *c)
{
	const char *option;
	char *argument, *quoted, *directory;

	change_command(c, &option, &argument);
	quoted = shell_quote(argument);
	directory = shell_quote(s->directory);
	printf("# %s\n", c->why);
	printf("postconf%s%s %s %s\n", s->other ? " -c " : "", s->other ?
	    directory : "", option, quoted);
	free(argument);
	free(quoted);
	free(directory);
}

/* What stands between commands must not be one when it is pasted. */
static void
remark(const struct setup *s, enum paint paint, const char *fmt, ...)
    __attribute__((__format__(__printf__, 3, 4)));

static void
remark(const struct setup *s, enum paint paint, const char *fmt, ...)
{
	char text[1400], *rest = text, *word;
	size_t column = 0, width = (size_t)s->screen.width;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	fputs(screen_paint(&s->screen, paint), stdout);
	while ((word = strtok_r(rest, " ", &rest)) != NULL) {
		if (column > 0 && column + 1 + strlen(word) >= width) {
			putchar('\n');
			column = 0;
		}
		column += (size_t)printf("%s%s", column > 0 ? " " : "# ",
		    word);
	}
	fputs(screen_plain(&s->screen, paint), stdout);
	putchar('\n');
}

static void
print_remarks(const struct setup *s, const struct plan *plan)
{
	size_t i;

	for (i = 0; i < plan->block_count; i++)
		remark(s, PAINT_BAD, "To be mended first: %s.",
		    plan->blocks[i]);
	for (i = 0; i < plan->note_count; i++)
		remark(s, PAINT_WARN, "Note: %s.", plan->notes[i]);
}

static json_t *
plan_json(const struct plan *plan)
{
	json_t *changes = json_array(), *notes = json_array();
	json_t *blocks = json_array();
	const char *option;
	char *argument;
	size_t i;

	for (i = 0; i < plan->count; i++) {
		const struct change *c = &plan->v[i];

		change_command(c, &option, &argument);
		json_array_append_new(changes, json_pack(
		    "{s:s, s:s?, s:s?, s:s, s:s, s:[s, s, s]}",
		    "kind", c->kind == CHANGE_SERVICE ? "service" :
		    c->kind == CHANGE_MAIN ? "main" : "override",
		    "service", c->service, "name", c->name,
		    "value", c->value, "why", c->why,
		    "command", "postconf", option, argument));
		free(argument);
	}
	for (i = 0; i < plan->note_count; i++)
		json_array_append_new(notes, json_string(plan->notes[i]));
	for (i = 0; i < plan->block_count; i++)
		json_array_append_new(blocks, json_string(plan->blocks[i]));
	return json_pack("{s:o, s:o, s:o}", "changes", changes, "notes",
	    notes, "blocks", blocks);
}

static void
show_plan(const struct setup *s, const struct plan *plan)
{
	char *directory = shell_quote(s->directory);
	size_t i;

	if (plan->count == 0 && plan->block_count == 0)
		screen_say(&s->screen, 0, 0, PAINT_GOOD, "Nothing to change: "
		    "Postfix is configured for mailbrake. Whether it really "
		    "asks: mailbrake setup postfix --verify");
	for (i = 0; i < plan->count; i++)
		print_command(s, &plan->v[i]);
	if (plan->count > 0)
		printf("postfix%s%s reload\n", s->other ? " -c " : "",
		    s->other ? directory : "");
	print_remarks(s, plan);
	if (plan->count > 0)
		remark(s, PAINT_NONE, "Nothing has been changed. To do it, "
		    "with the old values kept: mailbrake setup postfix "
		    "--apply");
	free(directory);
}

/* --- verify ------------------------------------------------------------ */

static json_t *
status_cb(void *ctx)
{
	const struct setup *s = ctx;
	int status;

	return link_ask(s->args, json_pack("{s:s}", "command", "status"),
	    &status);
}

/* A daemon that is away is said once. */
static json_t *
status_or_null_cb(void *ctx)
{
	(void)ctx;
	return NULL;
}

static const char *
verdict_of(const struct wiring_finding *f, const struct live_point *p,
    enum paint *paint)
{
	*paint = PAINT_BAD;
	if (f->state == WIRING_MISSING)
		return "not configured";
	if (f->state == WIRING_WRONG)
		return "wrong";
	*paint = PAINT_DIM;
	if (f->state == WIRING_UNUSED)
		return "not used";
	*paint = PAINT_GOOD;
	if (p != NULL && p->live == LIVE_ASKED)
		return "live";
	if (p == NULL || p->live == LIVE_CONFIGURED)
		return p != NULL && p->text != NULL ? "configured" : "ok";
	*paint = PAINT_BAD;
	return "not asked";
}

static void
print_points(const struct setup *s, const struct wiring_findings *found,
    const struct live_point *points)
{
	static const struct column columns[] = { { "", 0 }, { "", 0 },
	    { "", COLUMN_WRAP } };
	struct grid *t = grid_new(columns, 3);
	enum paint paint;
	const char *word;
	size_t i;

	for (i = 0; i < found->count; i++) {
		const struct wiring_finding *f = &found->v[i];
		const struct live_point *p = points != NULL ? &points[i] :
		    NULL;

		word = verdict_of(f, p, &paint);
		grid_cell(t, PAINT_NONE, "%s", wiring_point_name(f->point));
		grid_cell(t, paint, "%s", word);
		grid_cell(t, PAINT_NONE, "%s%s%s%s%s", f->text,
		    p != NULL && p->text != NULL ? "; " : "",
		    p != NULL && p->text != NULL ? p->text : "",
		    f->mend != NULL ? "; to mend: " : "",
		    f->mend != NULL ? f->mend : "");
	}
	grid_print(t, &s->screen, 0);
	grid_free(t);
}

static json_t *
points_json(const struct wiring_findings *found,
    const struct live_point *points)
{
	json_t *all = json_array();
	enum paint paint;
	size_t i;

	for (i = 0; i < found->count; i++) {
		const struct wiring_finding *f = &found->v[i];
		const struct live_point *p = points != NULL ? &points[i] :
		    NULL;

		json_array_append_new(all, json_pack(
		    "{s:s, s:s?, s:s?, s:s, s:s, s:s, s:s?, s:s?}",
		    "point", wiring_point_name(f->point),
		    "egress", f->egress, "service", f->service,
		    "state", wiring_state_name(f->state),
		    "result", verdict_of(f, p, &paint), "text", f->text,
		    "seen", p != NULL ? p->text : NULL, "mend", f->mend));
	}
	return all;
}

/* Looks, tries, and shows.  True if all is well.  into: an object that gets
 * the points instead of the screen, or NULL. */
static bool
verify(struct setup *s, json_t *into)
{
	struct wiring_findings found;
	struct live_point *points = NULL;
	struct live_ask ask = { s->directory, s->is, &found,
	    s->conf->gate_file, status_cb, s };
	bool running = is_running(s), good;
	json_t *first;
	size_t i;

	wiring_check(s->is, &s->want, &found);
	good = found.bad == 0 && running;
	if (running) {
		first = status_cb(s);
		if (first == NULL)
			ask.status = status_or_null_cb;
		json_decref(first);
		points = live_test(&ask);
	}
	for (i = 0; points != NULL && i < found.count; i++)
		good = good && points[i].live != LIVE_SILENT;
	if (into != NULL) {
		json_object_set_new(into, "running", json_boolean(running));
		json_object_set_new(into, "points", points_json(&found,
		    points));
		json_object_set_new(into, "good", json_boolean(good));
	} else {
		print_points(s, &found, points);
		if (!running)
			screen_say(&s->screen, 0, 2, PAINT_BAD, "Postfix does "
			    "not run (%s): nothing could be tried.",
			    s->directory);
		else if (good)
			screen_say(&s->screen, 0, 2, PAINT_GOOD, "Postfix "
			    "asks mailbraked wherever it has to.");
		else
			screen_say(&s->screen, 0, 2, PAINT_BAD, "Mail can "
			    "leave in spite of a stop, or wait without one: "
			    "see above.");
	}
	if (points != NULL)
		live_free(points, found.count);
	wiring_findings_free(&found);
	return good;
}

/* --- apply ------------------------------------------------------------- */

/* Whether a table can be asked at all; NULL, or what postmap(1) says.  The
 * caller frees it. */
static char *
table_trouble(const struct setup *s, const char *table)
{
	const char *const argv[] = { "postmap", "-c", s->directory, "-q",
	    "mailbrake-test", table, NULL };
	char *out, *err, clean[256], *why = NULL;

	run_program(argv, &out, &err);
	if (*err != '\0')
		why = xstrdup(text_clean(clean, sizeof(clean), err,
		    strlen(err)));
	free(out);
	free(err);
	return why;
}

/* A table that cannot be asked makes all mail wait: so it has to be there
 * before Postfix is told of it. */
static char *
not_ready(const struct setup *s, const struct plan *plan)
{
	const char *file = s->conf->gate_file;
	char where[ENDPOINT_TEXT_MAX], *table, *said = NULL, *why = NULL;
	bool gate = false, map = false;
	size_t i;

	if (geteuid() != 0 && access(s->directory, W_OK) == -1)
		return xasprintf("%s cannot be changed: run this as root",
		    s->directory);
	for (i = 0; i < plan->count; i++) {
		gate = gate || strstr(plan->v[i].value, "pipemap:{static:") !=
		    NULL;
		map = map || strstr(plan->v[i].value, "socketmap:") != NULL;
	}
	if (gate) {
		table = xasprintf("%s%s", file[0] == '/' ? "hash:" : "",
		    file);
		if ((said = table_trouble(s, table)) != NULL)
			why = xasprintf("the gate file cannot be used, and "
			    "Postfix would let all mail wait: %s. mailbraked "
			    "makes it when it starts with gate_file = \"%s\"",
			    said, file);
		free(table);
		free(said);
	}
	if (map && why == NULL &&
	    s->conf->socketmap.kind != ENDPOINT_NONE) {
		table = xasprintf("socketmap:%s:route",
		    endpoint_text(&s->conf->socketmap, where));
		if ((said = table_trouble(s, table)) != NULL)
			why = xasprintf("nobody answers at listen.socketmap, "
			    "and Postfix would let all mail wait: %s. Start "
			    "mailbraked first", said);
		free(table);
		free(said);
	}
	return why;
}

/* Puts back what was there before the first done changes of run. */
static void
roll_back(const struct setup *s, const struct undo *run, size_t done)
{
	char *why;

	while (done-- > 0) {
		const struct undo_entry *e = &run->v[done];

		why = put(s, e->kind, e->service, e->name, e->was);
		if (why != NULL)
			complain("%s%s%s could not be put back: %s",
			    e->service != NULL ? e->service : "",
			    e->service != NULL ? " " : "",
			    e->name != NULL ? e->name : "", why);
		free(why);
	}
}

/* Waits until listeners greet again.  They need a moment after a reload,
 * and a mistake in a value shows here and nowhere else. */
static bool
greets_soon(const struct setup *s)
{
	int64_t end_ms = clock_mono_ms() + GREETING_MS;

	while (!live_greets(s->is)) {
		if (clock_mono_ms() > end_ms)
			return false;
		usleep(100000);
	}
	return true;
}

/* NULL, or what went wrong. */
static char *
reload(struct setup *s)
{
	char *said = NULL;
	int status;

	if (!is_running(s))
		return NULL;
	status = postfix(s, "check", &said);
	if (status == 0) {
		free(said);
		status = postfix(s, "reload", &said);
	}
	if (status != 0) {
		char *why = xasprintf("postfix does not take it: %s", said);

		free(said);
		return why;
	}
	free(said);
	return NULL;
}

/* A value that a program does not take shows when it is started. */
static const char *
does_not_start(const struct setup *s)
{
	const struct policy *p = s->conf->policy;
	size_t i, k;

	for (i = 0; i < p->egress_count; i++) {
		for (k = 0; k < p->egress[i].transport_count; k++) {
			if (!live_starts(s->is, p->egress[i].transports[k]))
				return p->egress[i].transports[k];
		}
	}
	return NULL;
}

static char *
do_changes(struct setup *s, const struct plan *plan, size_t *done)
{
	bool running = is_running(s), greeted = running && greets_soon(s);
	const char *transport;
	char *why;

	for (*done = 0; *done < plan->count; ++*done) {
		const struct change *c = &plan->v[*done];

		why = put(s, c->kind, c->service, c->name, c->value);
		if (why != NULL)
			return why;
	}
	if ((why = reload(s)) != NULL)
		return why;
	if (greeted && !greets_soon(s))
		return xstrdup("no listener greets any more; see the mail "
		    "log");
	if (running && (transport = does_not_start(s)) != NULL)
		return xasprintf("Postfix cannot start %s with this; see the "
		    "mail log", transport);
	return NULL;
}

/* What each value is now, into the file of what was. */
static void
note_now(const struct setup *s, struct undo *u)
{
	struct wiring *set = look_written(s);
	size_t i;

	for (i = 0; set != NULL && i < u->count; i++) {
		struct undo_entry *e = &u->v[i];

		free(e->now);
		e->now = written(s, set, e->kind, e->service, e->name);
	}
	wiring_free(set);
}

/* Old values of this run into run, and into all, where older ones stay. */
static bool
gather(const struct setup *s, const struct plan *plan, struct undo *run,
    struct undo *all)
{
	struct wiring *set = look_written(s);
	size_t i;

	if (set == NULL)
		return false;
	for (i = 0; i < plan->count; i++) {
		const struct change *c = &plan->v[i];
		char *was = written(s, set, c->kind, c->service, c->name);

		undo_add(run, c->kind, c->service, c->name, was, c->value);
		undo_add(all, c->kind, c->service, c->name, was, c->value);
		free(was);
	}
	wiring_free(set);
	return true;
}

static void
forget(const char *path)
{
	if (unlink(path) == -1 && errno != ENOENT)
		complain("%s: %s", path, strerror(errno));
}

/* Exit status; the plan has been shown. */
static int
apply(struct setup *s, const struct plan *plan)
{
	struct undo run = { 0 }, all = { 0 }, before = { 0 };
	char *why = NULL;
	size_t done = 0;
	int had, status = CTL_FAILED;

	if (plan->block_count > 0) {
		complain("nothing has been changed: see \"To be mended "
		    "first\"");
		return CTL_FAILED;
	}
	if (plan->count == 0)
		return CTL_OK;
	if ((why = not_ready(s, plan)) != NULL) {
		complain("nothing has been changed: %s", why);
		free(why);
		return CTL_FAILED;
	}
	if ((had = undo_read(s->undo_path, &all, &why)) == -1 ||
	    (had == 1 && undo_read(s->undo_path, &before, &why) == -1)) {
		complain("nothing has been changed: %s", why);
		goto out;
	}
	if (had == 1 && strcmp(all.directory, s->directory) != 0) {
		complain("nothing has been changed: %s is of %s, not of %s",
		    s->undo_path, all.directory, s->directory);
		goto out;
	}
	if (had == 0)
		all.directory = xstrdup(s->directory);
	if (!gather(s, plan, &run, &all))
		goto out;
	if ((why = undo_write(s->undo_path, &all)) != NULL) {
		complain("nothing has been changed, the old values could "
		    "not be saved: %s", why);
		goto out;
	}
	if ((why = do_changes(s, plan, &done)) != NULL) {
		char *again;

		complain("%s", why);
		roll_back(s, &run, done);
		if (done == plan->count) {
			again = reload(s);
			free(again);
		}
		if (had == 1)
			free(undo_write(s->undo_path, &before));
		else
			forget(s->undo_path);
		complain("everything has been put back as it was%s",
		    done == plan->count ? "; Postfix waits up to a minute "
		    "before it starts again what failed" : "");
		goto out;
	}
	note_now(s, &all);
	free(why);
	if ((why = undo_write(s->undo_path, &all)) != NULL)
		complain("%s", why);
	status = look_again(s) ? CTL_OK : CTL_FAILED;
 out:
	free(why);
	undo_free(&run);
	undo_free(&all);
	undo_free(&before);
	return status;
}

/* --- undo -------------------------------------------------------------- */

static bool
same_text(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

/* A transport that was made, and takes its options with it. */
static bool
goes_with_service(const struct undo *u, const struct undo_entry *e)
{
	size_t i;

	for (i = 0; e->kind == CHANGE_OVERRIDE && i < u->count; i++) {
		if (u->v[i].kind == CHANGE_SERVICE && u->v[i].was == NULL &&
		    strcmp(u->v[i].service, e->service) == 0)
			return true;
	}
	return false;
}

/* False after a complaint about each value that is neither what was set
 * nor what was there before. */
static bool
is_unchanged(const struct setup *s, const struct wiring *set,
    const struct undo *u)
{
	bool good = true;
	char *is;
	size_t i;

	for (i = 0; i < u->count; i++) {
		const struct undo_entry *e = &u->v[i];

		if (goes_with_service(u, e))
			continue;
		is = written(s, set, e->kind, e->service, e->name);
		if (!same_text(is, e->now) && !same_text(is, e->was)) {
			complain("%s%s%s has been changed since: it is "
			    "\"%s\", not \"%s\"", e->service != NULL ?
			    e->service : "", e->service != NULL &&
			    e->name != NULL ? " " : "", e->name != NULL ?
			    e->name : "", is != NULL ? is : "not set",
			    e->now != NULL ? e->now : "not set");
			good = false;
		}
		free(is);
	}
	return good;
}

static int
undo(struct setup *s)
{
	struct undo u = { 0 };
	struct wiring *set = NULL;
	char *why = NULL, *is;
	int had, status = CTL_FAILED;
	size_t i, done = 0;

	if ((had = undo_read(s->undo_path, &u, &why)) == -1) {
		complain("%s", why);
		free(why);
		return CTL_FAILED;
	}
	if (had == 0) {
		complain("there is nothing to undo: no %s", s->undo_path);
		return CTL_FAILED;
	}
	if (strcmp(u.directory, s->directory) != 0) {
		complain("%s is of %s, not of %s", s->undo_path, u.directory,
		    s->directory);
		goto out;
	}
	if ((set = look_written(s)) == NULL)
		goto out;
	if (!is_unchanged(s, set, &u) && !(s->args->given & OPT_FORCE)) {
		complain("nothing has been undone: change that back, or have "
		    "the older values all the same with --undo --force");
		goto out;
	}
	for (i = u.count; i-- > 0 && why == NULL; ) {
		const struct undo_entry *e = &u.v[i];

		if (goes_with_service(&u, e))
			continue;
		is = written(s, set, e->kind, e->service, e->name);
		if (!same_text(is, e->was)) {
			why = put(s, e->kind, e->service, e->name, e->was);
			done += why == NULL;
		}
		free(is);
	}
	if (why == NULL)
		why = reload(s);
	if (why != NULL) {
		complain("%s; %s is kept, try again", why, s->undo_path);
		goto out;
	}
	forget(s->undo_path);
	if (s->args->given & OPT_JSON)
		print_json(json_pack("{s:I}", "restored", (json_int_t)done));
	else
		screen_say(&s->screen, 0, 0, PAINT_GOOD, "Postfix is "
		    "configured as it was before: %zu values put back.",
		    done);
	status = CTL_OK;
 out:
	free(why);
	wiring_free(set);
	undo_free(&u);
	return status;
}

/* --- the command ------------------------------------------------------- */

static bool
is_local(const struct addr *a)
{
	struct endpoint e = { .kind = ENDPOINT_INET, .addr = *a };
	struct sockaddr_storage ss;
	socklen_t len = endpoint_sockaddr(&e, &ss);
	int fd = socket(a->family == ADDR_IPV6 ? AF_INET6 : AF_INET,
	    SOCK_STREAM, 0);
	bool good;

	if (fd == -1)
		return false;
	good = bind(fd, (struct sockaddr *)&ss, len) == 0;
	close(fd);
	return good;
}

/* False after a complaint. */
static bool
load(struct setup *s)
{
	const char *path = s->args->config != NULL ? s->args->config :
	    DEFAULT_CONFIG;
	struct errors errs = { 0 };
	size_t i, count;

	s->conf = config_load(path, &errs);
	count = hostroute_addresses(s->host);
	if (s->conf != NULL && !s->conf->egress_given)
		config_set_host_egress(s->conf, s->host, count, &errs);
	for (i = 0; s->conf == NULL && i < errs.count; i++) {
		if (!errs.warning[i])
			complain("%s", errs.lines[i]);
	}
	errors_free(&errs);
	if (s->conf == NULL)
		return false;
	s->want = (struct wiring_want){ .policy = s->conf->policy,
	    .gate_file = s->conf->gate_file, .milter = s->conf->milter,
	    .policy_service = s->conf->policy_service,
	    .socketmap = s->conf->socketmap, .host_addrs = s->host,
	    .host_addr_count = count,
	    .route = (s->args->given & OPT_ROUTE) != 0 };
	return true;
}

/* The directory as Postfix calls it, and the version.  False after a
 * complaint. */
static bool
find_postfix(struct setup *s)
{
	const char *given = s->args->directory;
	char real[4096];

	if (given == NULL && s->conf->postfix_config[0] != '\0')
		given = s->conf->postfix_config;
	s->other = given != NULL;
	if (given != NULL) {
		if (realpath(given, real) == NULL) {
			complain("%s: %s", given, strerror(errno));
			return false;
		}
		s->directory = xstrdup(real);
	} else if ((s->directory = one_value(s, "config_directory")) ==
	    NULL) {
		return false;
	}
	s->version = one_value(s, "mail_version");
	s->undo_path = undo_path(s->conf->state_file, s->directory);
	return s->version != NULL && look_again(s);
}

static bool
read_options(struct setup *s)
{
	const struct args *a = s->args;
	unsigned int modes = a->given & (OPT_APPLY | OPT_UNDO | OPT_VERIFY);

	if (strcmp(a->words[0], "postfix") != 0) {
		complain("setup: \"%.64s\" is not known, only \"postfix\"; "
		    "for Sendmail see mailbraked(8)", a->words[0]);
		return false;
	}
	if ((modes & OPT_UNDO) && modes != OPT_UNDO) {
		complain("setup: --undo goes with neither --apply nor "
		    "--verify");
		return false;
	}
	if ((a->given & OPT_FORCE) && modes != OPT_UNDO) {
		complain("setup: --force is for --undo");
		return false;
	}
	if ((a->given & OPT_FAIL_OPEN) && (a->given & OPT_FAIL_CLOSED)) {
		complain("setup: --fail-open or --fail-closed, not both");
		return false;
	}
	if (a->gate != NULL && strcmp(a->gate, "file") == 0) {
		s->ask.gate = WIRING_GATE_FILE;
	} else if (a->gate != NULL && strcmp(a->gate, "socketmap") == 0) {
		s->ask.gate = WIRING_GATE_SOCKETMAP;
	} else if (a->gate != NULL) {
		complain("setup: --gate: \"%.64s\" is neither \"file\" nor "
		    "\"socketmap\"", a->gate);
		return false;
	}
	s->ask.fail_open = (a->given & OPT_FAIL_OPEN) != 0;
	s->ask.fail_closed = (a->given & OPT_FAIL_CLOSED) != 0;
	s->ask.is_local = is_local;
	return true;
}

static int
show_or_apply(struct setup *s)
{
	bool json = (s->args->given & OPT_JSON) != 0;
	bool doing = (s->args->given & OPT_APPLY) != 0;
	struct plan plan;
	json_t *o = NULL;
	int status = CTL_OK;
	size_t i;

	plan_make(s->is, s->raw, &s->want, &s->ask, &plan);
	if (json) {
		o = plan_json(&plan);
		json_object_set_new(o, "postfix", json_string(s->version));
		json_object_set_new(o, "config_directory",
		    json_string(s->directory));
	} else if (doing) {
		for (i = 0; i < plan.count; i++)
			print_command(s, &plan.v[i]);
		print_remarks(s, &plan);
	} else {
		show_plan(s, &plan);
	}
	if (doing) {
		status = apply(s, &plan);
		if (status == CTL_OK && !json && plan.count > 0) {
			remark(s, PAINT_GOOD, "Done. The old values are in "
			    "%s; to have them back: mailbrake setup postfix "
			    "--undo", s->undo_path);
			putchar('\n');
		}
		if (status == CTL_OK && !verify(s, o))
			status = CTL_FAILED;
	}
	if (json)
		print_json(o);
	json_decref(o);
	plan_free(&plan);
	return status;
}

static int
run_setup(const struct args *args)
{
	struct setup s = { .args = args };
	int status = CTL_FAILED;
	json_t *o;

	if (!read_options(&s))
		return CTL_USAGE;
	signal(SIGPIPE, SIG_IGN);
	screen_open(&s.screen, stdout);
	if (!load(&s) || !find_postfix(&s))
		goto out;
	if (args->given & OPT_UNDO) {
		status = undo(&s);
	} else if ((args->given & OPT_VERIFY) && !(args->given & OPT_APPLY)) {
		o = args->given & OPT_JSON ? json_object() : NULL;
		status = verify(&s, o) ? CTL_OK : CTL_FAILED;
		if (o != NULL)
			print_json(o);
		json_decref(o);
	} else {
		status = show_or_apply(&s);
	}
 out:
	wiring_free(s.is);
	wiring_free(s.raw);
	config_free(s.conf);
	free(s.directory);
	free(s.version);
	free(s.undo_path);
	return status;
}

const struct command command_setup = {
	"setup", "postfix [--apply|--undo|--verify] [--gate FORM] "
	"[--config-directory DIR] [--json]",
	"show or set how Postfix asks mailbraked",
	"Shows the commands that make this host's Postfix ask mailbraked, each "
	"with\nthe reason. Nothing is changed without --apply.\n"
	"\n"
	"      --apply         run them, reload Postfix and verify; the old "
	"values are kept\n"
	"      --undo          put the old values back\n"
	"      --verify        try whether each point is live; no mail is "
	"sent\n"
	"      --gate FORM     file (it holds while mailbraked is away) or "
	"socketmap\n"
	"      --fail-open     while mailbraked is away, new mail is taken\n"
	"      --fail-closed   while mailbraked is away, new mail has to wait\n"
	"      --route         set up the route map, needed or not\n"
	"      --config-directory DIR  of another instance of Postfix\n"
	"      --force         with --undo: also what was changed since\n"
	"  -j, --json          all of it as a JSON object\n"
	"\n"
	"The exit status is 0 if all is well, 1 if something is not, 2 for a "
	"wrong\ncommand line.\n"
	"\n"
	"  mailbrake setup postfix\n"
	"  mailbrake setup postfix --apply\n"
	"  mailbrake setup postfix --verify\n",
	OPT_APPLY | OPT_UNDO | OPT_VERIFY | OPT_FORCE | OPT_ROUTE | OPT_GATE |
	OPT_FAIL_OPEN | OPT_FAIL_CLOSED | OPT_DIRECTORY | OPT_JSON, 1, 1,
	run_setup
};
