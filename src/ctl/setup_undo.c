/*
 * setup_undo.c - what Postfix had before, in a file
 */
#include "ctl/setup_undo.h"

#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "conf/config_schema.h"

#define FILE_MAX	(1 << 20)

static const char *const kinds[] = {
	[CHANGE_SERVICE] = "service",
	[CHANGE_MAIN] = "main",
	[CHANGE_OVERRIDE] = "override",
};

static const char head[] =
    "# What Postfix had before \"mailbrake setup postfix --apply\".  To have "
    "it back:\n"
    "# mailbrake setup postfix --undo, which removes this file.\n";

char *
undo_path(const char *state_file, const char *directory)
{
	const char *slash;
	char *path, *p;

	if (state_file == NULL || *state_file == '\0')
		state_file = DEFAULT_STATE_FILE;
	slash = strrchr(state_file, '/');
	path = xasprintf("%.*s/undo%s%s", slash != NULL ?
	    (int)(slash - state_file) : 1, slash != NULL ? state_file : ".",
	    *directory == '/' ? "" : "-", directory);
	p = path + (slash != NULL ? slash - state_file : 1) + 1;
	for (; *p != '\0'; p++) {
		if (*p == '/')
			*p = '-';
	}
	return path;
}

static bool
same(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

void
undo_add(struct undo *u, enum change_kind kind, const char *service,
    const char *name, const char *was, const char *now)
{
	struct undo_entry *e;
	size_t i;

	for (i = 0; i < u->count; i++) {
		e = &u->v[i];
		if (e->kind == kind && same(e->service, service) &&
		    same(e->name, name)) {
			free(e->now);
			e->now = xstrdup(now);
			return;
		}
	}
	u->v = xreallocarray(u->v, u->count + 1, sizeof(*u->v));
	u->v[u->count++] = (struct undo_entry){ kind, xstrdup(service),
	    xstrdup(name), xstrdup(was), xstrdup(now) };
}

void
undo_free(struct undo *u)
{
	size_t i;

	for (i = 0; i < u->count; i++) {
		free(u->v[i].service);
		free(u->v[i].name);
		free(u->v[i].was);
		free(u->v[i].now);
	}
	free(u->v);
	free(u->directory);
	*u = (struct undo){ 0 };
}

char *
undo_text(const struct undo *u)
{
	char *text = NULL;
	size_t size, i;
	FILE *f = open_memstream(&text, &size);

	if (f == NULL)
		return xstrdup("");
	fprintf(f, "%sdirectory %s\n", head, u->directory);
	for (i = 0; i < u->count; i++) {
		const struct undo_entry *e = &u->v[i];

		fprintf(f, "\n%s %s%s%s\n", kinds[e->kind],
		    e->service != NULL ? e->service : "",
		    e->service != NULL && e->name != NULL ? " " : "",
		    e->name != NULL ? e->name : "");
		if (e->was != NULL)
			fprintf(f, "\twas %s\n", e->was);
		else
			fprintf(f, "\tnot set before\n");
		if (e->now != NULL)
			fprintf(f, "\tnow %s\n", e->now);
	}
	fclose(f);
	return text;
}

/* "main NAME", "override SERVICE NAME", "service SERVICE" */
static bool
parse_entry(struct undo *out, char *line)
{
	char *rest = line, *word = strtok_r(rest, " ", &rest);
	char *first = strtok_r(rest, " ", &rest);
	char *second = strtok_r(rest, " ", &rest);
	int kind;

	for (kind = 0; kind < 3 && word != NULL; kind++) {
		if (strcmp(word, kinds[kind]) != 0)
			continue;
		if (first == NULL || (second != NULL) !=
		    (kind == CHANGE_OVERRIDE))
			return false;
		undo_add(out, (enum change_kind)kind, kind == CHANGE_MAIN ?
		    NULL : first, kind == CHANGE_MAIN ? first : second, NULL,
		    NULL);
		return true;
	}
	return false;
}

static bool
parse_line(struct undo *out, char *line)
{
	struct undo_entry *last = out->count > 0 ? &out->v[out->count - 1] :
	    NULL;

	if (line[0] == '\0' || line[0] == '#')
		return true;
	if (strncmp(line, "directory ", 10) == 0) {
		free(out->directory);
		out->directory = xstrdup(line + 10);
		return true;
	}
	if (line[0] != '\t')
		return parse_entry(out, line);
	if (last == NULL)
		return false;
	if (strncmp(line, "\twas ", 5) == 0 && last->was == NULL)
		last->was = xstrdup(line + 5);
	else if (strncmp(line, "\tnow ", 5) == 0 && last->now == NULL)
		last->now = xstrdup(line + 5);
	else
		return strcmp(line, "\tnot set before") == 0;
	return true;
}

const char *
undo_parse(const char *text, struct undo *out)
{
	static char wrong[128];
	char *all = xstrdup(text), *line = all, *end;
	bool good = true;

	wrong[0] = '\0';
	while (good && line != NULL && *line != '\0') {
		if ((end = strchr(line, '\n')) != NULL)
			*end++ = '\0';
		if (!parse_line(out, line)) {
			snprintf(wrong, sizeof(wrong), "\"%.80s\" is not "
			    "understood", line);
			good = false;
		}
		line = end;
	}
	free(all);
	if (good && out->directory == NULL)
		snprintf(wrong, sizeof(wrong), "it does not say of which "
		    "configuration it is");
	return wrong[0] != '\0' ? wrong : NULL;
}

int
undo_read(const char *path, struct undo *out, char **why)
{
	const char *wrong = NULL;
	char *text = NULL;
	struct stat st;
	ssize_t n = 0;
	int fd;

	if ((fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK)) == -1) {
		if (errno == ENOENT)
			return 0;
		*why = xasprintf("%s: %s", path, strerror(errno));
		return -1;
	}
	if (fstat(fd, &st) == -1 || !S_ISREG(st.st_mode) ||
	    st.st_size > FILE_MAX)
		wrong = "is not a file of mailbrake's";
	else if (st.st_uid != geteuid() || (st.st_mode & 022) != 0)
		wrong = "somebody else could have written it: look at it, "
		    "and make it yours with mode 600 if it is right";
	if (wrong == NULL) {
		text = xcalloc((size_t)st.st_size + 1, 1);
		n = read(fd, text, (size_t)st.st_size);
		if (n != st.st_size)
			wrong = "cannot be read";
		else
			wrong = undo_parse(text, out);
	}
	free(text);
	close(fd);
	if (wrong == NULL)
		return 1;
	*why = xasprintf("%s: %s", path, wrong);
	undo_free(out);
	return -1;
}

char *
undo_write(const char *path, const struct undo *u)
{
	char *new = xasprintf("%s.new", path), *text = undo_text(u);
	char *why = NULL;
	size_t len = strlen(text);
	int fd;

	/* The directory may be another user's, who could put a link there. */
	unlink(new);
	fd = open(new, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
	if (fd == -1 || write(fd, text, len) != (ssize_t)len ||
	    fsync(fd) == -1 || rename(new, path) == -1) {
		why = xasprintf("%s: %s", path, strerror(errno));
		unlink(new);
	}
	if (fd != -1)
		close(fd);
	free(text);
	free(new);
	return why;
}
