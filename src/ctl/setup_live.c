/*
 * setup_live.c - whether Postfix really asks
 */
#include "ctl/setup_live.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/show.h"
#include "base/text.h"
#include "ctl/run.h"

#define REPLY_S		10
#define QUEUE_MS	20000	/* for the question to be answered */
#define PROCESS_MS	5000	/* for an smtp(8) to start */
/* Loopback, and nothing that Postfix takes for its own. */
#define NOWHERE		"[127.0.0.99]"

struct tester {
	const struct live_ask	*ask;
	struct live_point	*points;
	char			 rcpt[96];
};

static void
set(struct live_point *p, enum live live, const char *fmt, ...)
    __attribute__((__format__(__printf__, 3, 4)));

static void
set(struct live_point *p, enum live live, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	free(p->text);
	p->text = xstrdup(text);
	p->live = live;
}

/* --- the daemon's counters --------------------------------------------- */

static json_int_t
named(const json_t *array, const char *name)
{
	const json_t *o;
	size_t i;

	json_array_foreach(array, i, o) {
		if (strcmp(show_text(o, "name"), name) == 0)
			return show_int(o, "requests");
	}
	return -1;
}

/* How often a front end, or a map of the socketmap, was asked; -1: that is
 * not counted. */
static json_int_t
count_of(const json_t *status, const char *name)
{
	json_int_t n = named(json_object_get(status, "fronts"), name);

	return n != -1 ? n : named(json_object_get(status, "maps"), name);
}

/* What counts the finding's point; NULL: nothing does. */
static const char *
counter(const struct wiring_finding *f, const struct live_ask *ask)
{
	struct wiring_gate g;

	switch (f->point) {
	case WIRING_MILTER:
	case WIRING_MILTER_LOCAL:
		return "milter";
	case WIRING_POLICY:
		return "policy";
	case WIRING_ROUTE:
		return strstr(wiring_value(ask->w, "rewrite/unix",
		    "sender_dependent_default_transport_maps"), ":filter") !=
		    NULL ? "filter" : "route";
	case WIRING_RCPTROUTE:
		return "rcptroute";
	case WIRING_GATE:
	case WIRING_OTHERS:
		return wiring_find_gate(wiring_value(ask->w, f->service,
		    "smtp_tls_policy_maps"), &g) &&
		    g.form == WIRING_GATE_SOCKETMAP ? "gate" : NULL;
	default:
		return NULL;
	}
}

/* The gates share a counter: of several it only tells of the one that mail
 * goes by without a route. */
static bool
one_gate(const struct tester *t, const struct wiring_finding *f)
{
	const struct wiring *w = t->ask->w;
	const char *by = wiring_main(w, "default_transport");
	const struct wiring_finding *o;
	bool only = f->point == WIRING_GATE, routed = false;
	size_t i, len;

	if (f->point != WIRING_GATE && f->point != WIRING_OTHERS)
		return true;
	for (i = 0; i < t->ask->found->count; i++) {
		o = &t->ask->found->v[i];
		if (o->point == WIRING_GATE && o != f)
			only = false;
		if (o->point == WIRING_ROUTE && o->state != WIRING_UNUSED)
			routed = true;
	}
	if (only || by == NULL || routed)
		return only;
	len = strcspn(by, ":");
	return strncmp(f->service, by, len) == 0 && f->service[len] == '/';
}

/* Marks what was asked between two looks at the counters. */
static void
compare(struct tester *t, const json_t *before, const json_t *after,
    const char *service, bool queue)
{
	const struct wiring_findings *found = t->ask->found;
	const struct wiring_finding *f;
	const char *name;
	bool of_listener;
	json_int_t was, is;
	size_t i;

	for (i = 0; i < found->count; i++) {
		f = &found->v[i];
		if (f->state != WIRING_OK || (name = counter(f,
		    t->ask)) == NULL)
			continue;
		of_listener = f->point == WIRING_MILTER ||
		    f->point == WIRING_POLICY;
		if (of_listener ? service == NULL || strcmp(service,
		    f->service) != 0 : f->point == WIRING_MILTER_LOCAL &&
		    !queue)
			continue;
		/* The route and the gates by whatever asks them. */
		was = count_of(before, name);
		is = count_of(after, name);
		if (t->points[i].live == LIVE_ASKED)
			continue;
		if (is > was && !one_gate(t, f))
			set(&t->points[i], LIVE_CONFIGURED, "a gate was asked "
			    "just now; whose, is not counted");
		else if (was == -1 || is == -1)
			set(&t->points[i], LIVE_CONFIGURED, "the daemon does "
			    "not count who asks for it");
		else if (is != was)
			set(&t->points[i], LIVE_ASKED, "asked just now");
		else if (queue || of_listener)
			set(&t->points[i], LIVE_SILENT, "a test came by, and "
			    "mailbraked was not asked: has Postfix been "
			    "reloaded?");
	}
}

/* --- a listener -------------------------------------------------------- */

static int
dial_one(const char *host, const char *port)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *all, *a;
	struct timeval tv = { REPLY_S, 0 };
	int fd = -1;

	if (getaddrinfo(host, port, &hints, &all) != 0)
		return -1;
	for (a = all; a != NULL; a = a->ai_next) {
		fd = socket(a->ai_family, a->ai_socktype, a->ai_protocol);
		if (fd == -1)
			continue;
		setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
		setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv));
		if (connect(fd, a->ai_addr, a->ai_addrlen) == 0)
			break;
		close(fd);
		fd = -1;
	}
	freeaddrinfo(all);
	return fd;
}

/* "smtp", "127.0.0.1:10025", "[::1]:25" */
static int
dial(const struct wiring *w, const char *name)
{
	const char *colon = strrchr(name, ':'), *v;
	struct wiring_words words;
	char host[128];
	size_t i, len;
	int fd = -1;

	if (colon != NULL && colon > name) {
		len = (size_t)(colon - name);
		if (name[0] == '[' && name[len - 1] == ']') {
			name++;
			len -= 2;
		}
		snprintf(host, sizeof(host), "%.*s", (int)len, name);
		return dial_one(host, colon + 1);
	}
	v = wiring_main(w, "inet_interfaces");
	wiring_split(v != NULL ? v : "all", &words);
	for (i = 0; i < words.count && fd == -1; i++) {
		if (strcasecmp(words.v[i], "all") == 0 ||
		    strcasecmp(words.v[i], "loopback-only") == 0) {
			if ((fd = dial_one("127.0.0.1", name)) == -1)
				fd = dial_one("::1", name);
			continue;
		}
		snprintf(host, sizeof(host), "%s", words.v[i] +
		    (words.v[i][0] == '['));
		host[strcspn(host, "]")] = '\0';
		fd = dial_one(host, name);
	}
	wiring_words_free(&words);
	return fd;
}

/* The code of a reply, and its last line in text; 0 if there is none. */
static int
reply(FILE *f, char *text, size_t size)
{
	char line[1024];

	do {
		if (fgets(line, sizeof(line), f) == NULL)
			return 0;
	} while (strlen(line) > 3 && line[3] == '-');
	text_clean(text, size, line, strlen(line));
	return atoi(line);
}

/* A message up to its recipient.  The code that ended it: 250, or what was
 * refused with text; 0 if there was none. */
static int
talk(int fd, const char *rcpt, char *text, size_t size)
{
	FILE *in = fdopen(fd, "r"), *out = fdopen(dup(fd), "w");
	static const char *const verbs[] = { "EHLO localhost", "MAIL FROM:<>",
	    "RCPT TO:" };
	char bye[256];
	int code, i;

	code = reply(in, text, size);
	for (i = 0; i < 3 && code / 100 == 2; i++) {
		fputs(verbs[i], out);
		if (i == 2)
			fprintf(out, "<%s>", rcpt);
		fputs("\r\n", out);
		code = fflush(out) == 0 ? reply(in, text, size) : 0;
	}
	fputs("QUIT\r\n", out);
	if (fflush(out) == 0)
		reply(in, bye, sizeof(bye));
	fclose(in);
	fclose(out);
	return code;
}

static bool
wrapped(const struct wiring *w, const char *key)
{
	const char *v = wiring_value(w, key, "smtpd_tls_wrappermode");

	return v != NULL && strcasecmp(v, "yes") == 0;
}

/* The one that takes the connection for it: behind postscreen(8) smtpd(8)
 * has no socket of its own.  NULL: none. */
static const struct wiring_service *
door(const struct wiring *w, const struct wiring_service *s)
{
	size_t i;

	if (strcmp(s->type, "inet") == 0)
		return s;
	for (i = 0; i < w->service_count; i++) {
		if (strcmp(s->type, "pass") == 0 &&
		    strcmp(w->services[i].command, "postscreen") == 0)
			return &w->services[i];
	}
	return NULL;
}

/* What is to be said of all points of a listener. */
static void
set_listener(struct tester *t, const char *key, const char *text)
{
	const struct wiring_findings *found = t->ask->found;
	size_t i;

	for (i = 0; i < found->count; i++) {
		if (found->v[i].state == WIRING_OK &&
		    (found->v[i].point == WIRING_MILTER ||
		    found->v[i].point == WIRING_POLICY) &&
		    strcmp(found->v[i].service, key) == 0 &&
		    t->points[i].live != LIVE_ASKED)
			set(&t->points[i], LIVE_CONFIGURED, "%s", text);
	}
}

static void
test_listener(struct tester *t, const struct wiring_service *s)
{
	const struct wiring *w = t->ask->w;
	const struct wiring_service *at = door(w, s);
	json_t *before, *after;
	char text[256], *why;
	int fd, code;

	if (at == NULL)
		return;
	if (wrapped(w, s->key)) {
		set_listener(t, s->key, "not tried: it wants TLS from the "
		    "first byte");
		return;
	}
	if ((fd = dial(w, at->name)) == -1) {
		set_listener(t, s->key, "not tried: nobody listens there");
		return;
	}
	before = t->ask->status(t->ask->ctx);
	code = talk(fd, t->rcpt, text, sizeof(text));
	after = t->ask->status(t->ask->ctx);
	if (before != NULL && after != NULL)
		compare(t, before, after, s->key, false);
	/* 450 and 451 are the brake's own words, or those of a map. */
	if (code / 100 == 5) {
		why = xasprintf("cannot be tried from here, it said: %s",
		    text);
		set_listener(t, s->key, why);
		free(why);
	}
	json_decref(before);
	json_decref(after);
}

/* What the question could not come to, says nothing by not asking. */
static void
excuse(struct tester *t, const json_t *status)
{
	const struct wiring_findings *found = t->ask->found;
	const json_t *e;
	bool stopped = false, is_gate;
	size_t i;

	json_array_foreach(json_object_get(status, "egress"), i, e)
		stopped = stopped || strcmp(show_text(e, "state"),
		    "sending") != 0;
	for (i = 0; i < found->count; i++) {
		is_gate = found->v[i].point == WIRING_GATE ||
		    found->v[i].point == WIRING_OTHERS;
		if (t->points[i].live != LIVE_SILENT)
			continue;
		if (is_gate && !one_gate(t, &found->v[i]))
			set(&t->points[i], LIVE_CONFIGURED, "not tried: the "
			    "test went another way");
		else if (found->v[i].point == WIRING_ROUTE && strcmp(counter(
		    &found->v[i], t->ask), "filter") == 0)
			set(&t->points[i], LIVE_CONFIGURED, "not tried: your "
			    "own table has nothing for the test's sender");
		else if (stopped && (is_gate ||
		    found->v[i].point == WIRING_ROUTE ||
		    found->v[i].point == WIRING_RCPTROUTE))
			set(&t->points[i], LIVE_CONFIGURED, "not tried: "
			    "while something is stopped, a test does not get "
			    "that far");
	}
}

bool
live_greets(const struct wiring *w)
{
	const struct wiring_service *s;
	char text[256];
	size_t i;
	FILE *f;
	int fd, code;

	for (i = 0; i < w->service_count; i++) {
		s = &w->services[i];
		if (strcmp(s->type, "inet") != 0 || !wiring_is_smtpd(s) ||
		    wrapped(w, s->key))
			continue;
		if ((fd = dial(w, s->name)) == -1)
			return false;
		f = fdopen(fd, "r");
		code = reply(f, text, sizeof(text));
		fclose(f);
		return code == 220;
	}
	return true;
}

/* --- the queue --------------------------------------------------------- */

static char *
run(const char *const *argv)
{
	char *out, *err;

	run_program(argv, &out, &err);
	free(err);
	return out;
}

/* The question's queue id while it is there, and the queue that it is in. */
static bool
find_queued(const struct tester *t, char *id, size_t size, bool *held)
{
	const char *const argv[] = { "postqueue", "-c", t->ask->directory,
	    "-j", NULL };
	char *all = run(argv), *rest = all, *line;
	bool found = false;
	json_t *o;

	while (!found && (line = strtok_r(rest, "\n", &rest)) != NULL) {
		if (strstr(line, t->rcpt) == NULL ||
		    (o = json_loads(line, 0, NULL)) == NULL)
			continue;
		text_copy(id, size, show_text(o, "queue_id"));
		*held = strcmp(show_text(o, "queue_name"), "hold") == 0 ||
		    strcmp(show_text(o, "queue_name"), "deferred") == 0;
		found = true;
		json_decref(o);
	}
	free(all);
	return found;
}

static void
nap(long ms)
{
	struct timespec ts = { ms / 1000, ms % 1000 * 1000000 };

	nanosleep(&ts, NULL);
}

static void
test_queue(struct tester *t)
{
	const char *const ask[] = { "sendmail", "-C", t->ask->directory,
	    "-bv", "-f", "<>", t->rcpt, NULL };
	int64_t end_ms = clock_mono_ms() + QUEUE_MS;
	json_t *before = t->ask->status(t->ask->ctx), *after;
	char id[64];
	bool held = false, there;

	free(run(ask));
	while ((there = find_queued(t, id, sizeof(id), &held)) && !held &&
	    clock_mono_ms() < end_ms)
		nap(100);
	if (there) {
		const char *const drop[] = { "postsuper", "-c",
		    t->ask->directory, "-d", id, NULL };

		free(run(drop));
	}
	after = t->ask->status(t->ask->ctx);
	if (before != NULL && after != NULL)
		compare(t, before, after, NULL, true);
	excuse(t, after);
	json_decref(before);
	json_decref(after);
}

/* --- the gate file ----------------------------------------------------- */

/* Connecting to its socket makes master(8) start an smtp(8), which says
 * hello and then waits for a delivery that does not come.  -1: it does
 * not. */
static int
wake(const struct wiring *w, const char *name)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	const char *queue = wiring_main(w, "queue_directory");
	struct timeval tv = { REPLY_S, 0 };
	char buf[256];
	int fd, n;

	n = snprintf(un.sun_path, sizeof(un.sun_path), "%s/private/%s",
	    queue != NULL ? queue : "", name);
	if (n < 0 || (size_t)n >= sizeof(un.sun_path) ||
	    (fd = socket(AF_UNIX, SOCK_STREAM, 0)) == -1)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	if (connect(fd, (struct sockaddr *)&un, sizeof(un)) == -1 ||
	    read(fd, buf, sizeof(buf)) <= 0) {
		close(fd);
		return -1;
	}
	return fd;
}

bool
live_starts(const struct wiring *w, const char *transport)
{
	int fd = wake(w, transport);

	if (fd != -1)
		close(fd);
	return fd != -1;
}

/* "smtp [-n NAME] ..." of this instance, by its working directory. */
static bool
is_client(const char *pid, const char *name, const char *queue)
{
	char path[64], buf[512], cwd[4096];
	const char *arg, *is, *end;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%.20s/cmdline", pid);
	if ((fd = open(path, O_RDONLY)) == -1)
		return false;
	n = read(fd, buf, sizeof(buf) - 1);
	close(fd);
	if (n <= 0)
		return false;
	buf[n] = '\0';
	end = buf + n;
	if (strcmp(buf, "smtp") != 0)
		return false;
	/* master(8) leaves the name out where it is that of the program. */
	is = buf;
	for (arg = buf; arg < end; arg += strlen(arg) + 1) {
		if (strcmp(arg, "-n") == 0 && arg + 3 < end) {
			is = arg + 3;
			break;
		}
	}
	if (strcmp(is, name) != 0)
		return false;
	snprintf(path, sizeof(path), "/proc/%.20s/cwd", pid);
	n = readlink(path, cwd, sizeof(cwd) - 1);
	if (n <= 0)
		return false;
	cwd[n] = '\0';
	return strcmp(cwd, queue) == 0;
}

static bool
has_open(const char *pid, const struct stat *file)
{
	char path[300];
	struct dirent *d;
	struct stat st;
	bool found = false;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%.20s/fd", pid);
	if ((dir = opendir(path)) == NULL)
		return false;
	while (!found && (d = readdir(dir)) != NULL) {
		snprintf(path, sizeof(path), "/proc/%.20s/fd/%.200s", pid,
		    d->d_name);
		found = stat(path, &st) == 0 && st.st_dev == file->st_dev &&
		    st.st_ino == file->st_ino;
	}
	closedir(dir);
	return found;
}

/* True if such a process has the file open; *seen: there is such a
 * process. */
static bool
client_has(const char *name, const char *queue, const struct stat *file,
    bool *seen)
{
	DIR *proc = opendir("/proc");
	struct dirent *d;
	bool found = false;

	*seen = false;
	while (!found && proc != NULL && (d = readdir(proc)) != NULL) {
		if (d->d_name[0] < '0' || d->d_name[0] > '9' ||
		    !is_client(d->d_name, name, queue))
			continue;
		*seen = true;
		found = has_open(d->d_name, file);
	}
	if (proc != NULL)
		closedir(proc);
	return found;
}

/* What postmap(1) makes of PATH. */
static bool
compiled(const char *table, struct stat *st)
{
	static const char *const endings[] = { ".db", ".lmdb", ".cdb", "" };
	const char *path = strchr(table, '/');
	size_t i;
	char *file;
	bool found = false;

	for (i = 0; path != NULL && i < 4 && !found; i++) {
		file = xasprintf("%s%s", path, endings[i]);
		found = stat(file, st) == 0;
		free(file);
	}
	return found;
}

static void
test_gate_file(struct tester *t, const struct wiring_finding *f,
    struct live_point *point)
{
	const struct wiring *w = t->ask->w;
	const struct wiring_service *s = wiring_service(w, f->service);
	const char *queue = wiring_main(w, "queue_directory");
	int64_t end_ms = clock_mono_ms() + PROCESS_MS;
	char real[4096];
	struct stat st;
	bool seen, has;
	int fd;

	if (!compiled(t->ask->gate_file, &st)) {
		set(point, LIVE_SILENT, "there is no %s: mail waits until "
		    "mailbraked writes it", t->ask->gate_file);
		return;
	}
	if (queue == NULL || realpath(queue, real) == NULL)
		return;
	if (access("/proc/self/fd", R_OK) == -1) {
		set(point, LIVE_CONFIGURED, "cannot be seen on this system");
		return;
	}
	if ((fd = wake(w, s->name)) == -1) {
		set(point, LIVE_SILENT, "Postfix starts no %s", s->name);
		return;
	}
	while (!(has = client_has(s->name, real, &st, &seen)) &&
	    clock_mono_ms() < end_ms)
		nap(50);
	close(fd);
	if (has)
		set(point, LIVE_ASKED, "the running %s has it open", s->name);
	else if (seen)
		set(point, LIVE_SILENT, "the running %s does not have it "
		    "open: has Postfix been reloaded?", s->name);
	else
		set(point, LIVE_CONFIGURED, "the running %s could not be "
		    "found", s->name);
}

/* --- all of it --------------------------------------------------------- */

struct live_point *
live_test(const struct live_ask *ask)
{
	struct tester t = { .ask = ask };
	const struct wiring_finding *f;
	struct wiring_gate g;
	json_t *status;
	size_t i;

	t.points = xcalloc(ask->found->count + 1, sizeof(*t.points));
	/* Another one each time: smtpd(8) remembers where mail goes. */
	snprintf(t.rcpt, sizeof(t.rcpt), "mailbrake-test-%lx.%lx@" NOWHERE,
	    (unsigned long)clock_wall_ms(), (unsigned long)getpid());
	if ((status = ask->status(ask->ctx)) != NULL) {
		for (i = 0; i < ask->w->service_count; i++) {
			if (wiring_is_smtpd(&ask->w->services[i]))
				test_listener(&t, &ask->w->services[i]);
		}
		test_queue(&t);
	}
	for (i = 0; i < ask->found->count; i++) {
		f = &ask->found->v[i];
		if (f->state != WIRING_OK)
			continue;
		if (status == NULL && counter(f, ask) != NULL)
			set(&t.points[i], LIVE_SILENT, "mailbraked does not "
			    "answer");
		if ((f->point == WIRING_GATE || f->point == WIRING_OTHERS) &&
		    wiring_find_gate(wiring_value(ask->w, f->service,
		    "smtp_tls_policy_maps"), &g) &&
		    g.form == WIRING_GATE_FILE)
			test_gate_file(&t, f, &t.points[i]);
	}
	json_decref(status);
	return t.points;
}

void
live_free(struct live_point *points, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++)
		free(points[i].text);
	free(points);
}
