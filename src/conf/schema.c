/*
 * schema.c - a table of settings, and the walk that fills a struct by it
 *
 * The only file that knows libconfig, whose parser is kept from printing,
 * exiting or guessing: absent and of the wrong type are told apart here.
 */
#include "conf/schema.h"

#include <errno.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libconfig.h>

#include "base/duration.h"
#include "base/mem.h"
#include "base/text.h"
#include "conf/scan.h"

#define NAMES_MAX	64
#define PATH_MAX_BYTES	128

struct schema_file {
	config_t		 cfg;
	struct scan_names	 names;
	char			*path;
};

/* Where we are: "lists[3].answers[0]." */
struct walk {
	struct schema_file	*file;
	struct errors		*errs;
	char			 prefix[PATH_MAX_BYTES];
};

static void	read_group(struct walk *, config_setting_t *,
		    const struct setting *, void *);

/* libconfig names included files by what stands in the @include line, and
 * the main file not at all when it was opened by us. */
static struct position
position_of(const struct walk *w, const config_setting_t *s)
{
	struct position at = { w->file->path, 0 };

	if (config_setting_source_file(s) != NULL)
		at.file = config_setting_source_file(s);
	at.line = config_setting_source_line(s);
	return at;
}

static const char *
type_name(int type)
{
	switch (type) {
	case CONFIG_TYPE_INT:
	case CONFIG_TYPE_INT64:
		return "a whole number";
	case CONFIG_TYPE_FLOAT:
		return "a number with a point";
	case CONFIG_TYPE_STRING:
		return "a string";
	case CONFIG_TYPE_BOOL:
		return "true or false";
	case CONFIG_TYPE_ARRAY:
		return "an array [...]";
	case CONFIG_TYPE_LIST:
		return "a list (...)";
	case CONFIG_TYPE_GROUP:
		return "a group {...}";
	default:
		return "nothing";
	}
}

/* "15" or "\"smtp\"" for messages; compound values by their type. */
static const char *
value_text(const config_setting_t *s, char *buf, size_t size)
{
	switch (config_setting_type(s)) {
	case CONFIG_TYPE_INT:
	case CONFIG_TYPE_INT64:
		snprintf(buf, size, "%lld", config_setting_get_int64(s));
		break;
	case CONFIG_TYPE_FLOAT:
		/* Never without a point: 1e2 looks whole otherwise. */
		snprintf(buf, size, "%#g", config_setting_get_float(s));
		break;
	case CONFIG_TYPE_STRING:
		snprintf(buf, size, "\"%s\"", config_setting_get_string(s));
		break;
	case CONFIG_TYPE_BOOL:
		snprintf(buf, size, "%s",
		    config_setting_get_bool(s) ? "true" : "false");
		break;
	default:
		snprintf(buf, size, "%s", type_name(config_setting_type(s)));
		break;
	}
	return buf;
}

static void
wrong_type(struct walk *w, config_setting_t *s, const struct setting *row,
    const char *wanted)
{
	struct position at = position_of(w, s);
	char buf[120];

	errors_add(w->errs, &at, "%s%s = %s: must be %s", w->prefix,
	    row->name, row->secret ? type_name(config_setting_type(s)) :
	    value_text(s, buf, sizeof(buf)), wanted);
}

static const char *
list_words(const char *const *words, char *buf, size_t size)
{
	size_t len = 0, i;

	buf[0] = '\0';
	for (i = 0; words[i] != NULL && len < size; i++)
		len += (size_t)snprintf(buf + len, size - len, "%s\"%s\"",
		    i > 0 ? ", " : "", words[i]);
	return buf;
}

static int
find_word(const char *const *words, const char *text)
{
	int i;

	for (i = 0; words[i] != NULL; i++) {
		if (strcmp(words[i], text) == 0)
			return i;
	}
	return -1;
}

static void
read_string(struct walk *w, config_setting_t *s, const struct setting *row,
    char *base)
{
	char **out = (char **)(void *)(base + row->offset);

	if (config_setting_type(s) != CONFIG_TYPE_STRING) {
		wrong_type(w, s, row, "a string in quotes");
		return;
	}
	free(*out);
	*out = xstrdup(config_setting_get_string(s));
}

static void
read_strings(struct walk *w, config_setting_t *s, const struct setting *row,
    char *base)
{
	struct strings *out = (struct strings *)(void *)(base + row->offset);
	struct position at = position_of(w, s);
	char words[200];
	config_setting_t *e;
	const char *text;
	int i, count;

	for (i = 0; i < (int)out->count; i++)
		free(out->v[i]);
	free(out->v);
	*out = (struct strings){ .at = at, .given = true };
	if (config_setting_type(s) == CONFIG_TYPE_STRING) {
		count = -1;
	} else if (config_setting_type(s) == CONFIG_TYPE_ARRAY ||
	    config_setting_type(s) == CONFIG_TYPE_LIST) {
		count = config_setting_length(s);
	} else {
		wrong_type(w, s, row,
		    "an array of strings like [\"a\", \"b\"]");
		out->bad = true;
		return;
	}
	for (i = 0; i < (count == -1 ? 1 : count); i++) {
		e = count == -1 ? s : config_setting_get_elem(s,
		    (unsigned int)i);
		if (config_setting_type(e) != CONFIG_TYPE_STRING) {
			wrong_type(w, e, row, "a string in quotes");
			out->bad = true;
			continue;
		}
		text = config_setting_get_string(e);
		if (row->type == SET_WORDS &&
		    find_word(row->words, text) == -1) {
			errors_add(w->errs, &at, "%s%s: \"%s\": must be "
			    "one of %s", w->prefix, row->name, text,
			    list_words(row->words, words, sizeof(words)));
			out->bad = true;
			continue;
		}
		out->v = xreallocarray(out->v, out->count + 1,
		    sizeof(*out->v));
		out->v[out->count++] = xstrdup(text);
	}
}

static void
read_int(struct walk *w, config_setting_t *s, const struct setting *row,
    char *base)
{
	struct position at = position_of(w, s);
	int type = config_setting_type(s);
	long long n;

	if (type != CONFIG_TYPE_INT && type != CONFIG_TYPE_INT64) {
		wrong_type(w, s, row, "a whole number");
		return;
	}
	n = type == CONFIG_TYPE_INT ? config_setting_get_int(s) :
	    config_setting_get_int64(s);
	if (n < row->min || n > row->max) {
		errors_add(w->errs, &at, "%s%s = %lld: must be a whole "
		    "number from %lld to %lld", w->prefix, row->name, n,
		    (long long)row->min, (long long)row->max);
		return;
	}
	*(int *)(void *)(base + row->offset) = (int)n;
}

static void
read_duration(struct walk *w, config_setting_t *s, const struct setting *row,
    char *base)
{
	struct position at = position_of(w, s);
	char low[DURATION_TEXT_MAX], high[DURATION_TEXT_MAX];
	const char *text, *wrong;
	int64_t ms;

	if (config_setting_type(s) != CONFIG_TYPE_STRING) {
		wrong_type(w, s, row,
		    "a duration in quotes like \"15m\"");
		return;
	}
	text = config_setting_get_string(s);
	if ((wrong = duration_parse(text, &ms)) != NULL) {
		errors_add(w->errs, &at, "%s%s: \"%s\" %s", w->prefix,
		    row->name, text, wrong);
		return;
	}
	if (ms < row->min || ms > row->max) {
		errors_add(w->errs, &at, "%s%s: \"%s\" must be from %s to %s",
		    w->prefix, row->name, text, duration_text(row->min, low),
		    duration_text(row->max, high));
		return;
	}
	*(int64_t *)(void *)(base + row->offset) = ms;
}

static void
read_word(struct walk *w, config_setting_t *s, const struct setting *row,
    char *base)
{
	struct position at = position_of(w, s);
	char words[200];
	int i;

	if (config_setting_type(s) != CONFIG_TYPE_STRING) {
		wrong_type(w, s, row, list_words(row->words, words,
		    sizeof(words)));
		return;
	}
	if ((i = find_word(row->words, config_setting_get_string(s))) == -1) {
		errors_add(w->errs, &at, "%s%s: \"%s\": must be one of %s",
		    w->prefix, row->name, config_setting_get_string(s),
		    list_words(row->words, words, sizeof(words)));
		return;
	}
	*(int *)(void *)(base + row->offset) = i;
}

static void
read_groups(struct walk *w, config_setting_t *s, const struct setting *row,
    char *base)
{
	struct rows *out = (struct rows *)(void *)(base + row->offset);
	char saved[PATH_MAX_BYTES], *item;
	config_setting_t *e;
	int i, count;

	out->at = position_of(w, s);
	out->given = true;
	if (config_setting_type(s) != CONFIG_TYPE_LIST) {
		wrong_type(w, s, row,
		    "a list of groups like ( { ... }, { ... } )");
		return;
	}
	count = config_setting_length(s);
	out->v = xcalloc((size_t)count, row->size);
	memcpy(saved, w->prefix, sizeof(saved));
	for (i = 0; i < count; i++) {
		e = config_setting_get_elem(s, (unsigned int)i);
		if (config_setting_type(e) != CONFIG_TYPE_GROUP) {
			wrong_type(w, e, row, "a group { ... } in each "
			    "place of the list");
			continue;
		}
		item = (char *)out->v + out->count++ * row->size;
		schema_defaults(row->children, item);
		snprintf(w->prefix, sizeof(w->prefix), "%.80s%s[%d].", saved,
		    row->name, i);
		read_group(w, e, row->children, item);
		memcpy(w->prefix, saved, sizeof(saved));
	}
}

static void
read_setting(struct walk *w, config_setting_t *s, const struct setting *row,
    char *base)
{
	char saved[PATH_MAX_BYTES];

	if (row->given != 0)
		*(bool *)(void *)(base + row->given) = true;
	switch (row->type) {
	case SET_STRING:
		read_string(w, s, row, base);
		break;
	case SET_STRINGS:
	case SET_WORDS:
		read_strings(w, s, row, base);
		break;
	case SET_INT:
		read_int(w, s, row, base);
		break;
	case SET_BOOL:
		if (config_setting_type(s) != CONFIG_TYPE_BOOL)
			wrong_type(w, s, row, "true or false");
		else
			*(bool *)(void *)(base + row->offset) =
			    config_setting_get_bool(s) != 0;
		break;
	case SET_DURATION:
		read_duration(w, s, row, base);
		break;
	case SET_WORD:
		read_word(w, s, row, base);
		break;
	case SET_GROUP:
		if (config_setting_type(s) != CONFIG_TYPE_GROUP) {
			wrong_type(w, s, row, "a group { ... }");
			break;
		}
		memcpy(saved, w->prefix, sizeof(saved));
		snprintf(w->prefix, sizeof(w->prefix), "%.80s%s.", saved,
		    row->name);
		read_group(w, s, row->children, base + row->offset);
		memcpy(w->prefix, saved, sizeof(saved));
		break;
	case SET_GROUPS:
		read_groups(w, s, row, base);
		break;
	}
}

static void
unknown_setting(struct walk *w, config_setting_t *s,
    const struct setting *table)
{
	struct position at = position_of(w, s);
	const char *names[NAMES_MAX], *near;
	size_t count = 0;

	for (; table->name != NULL && count < NAMES_MAX; table++)
		names[count++] = table->name;
	near = text_nearest(config_setting_name(s), names, count);
	if (near != NULL)
		errors_add(w->errs, &at, "unknown setting \"%s%s\", did you "
		    "mean \"%s\"?", w->prefix, config_setting_name(s), near);
	else
		errors_add(w->errs, &at, "unknown setting \"%s%s\"",
		    w->prefix, config_setting_name(s));
}

static void
read_group(struct walk *w, config_setting_t *group,
    const struct setting *table, void *out)
{
	struct group_head *head = out;
	const struct setting *row;
	config_setting_t *s;
	int i;

	head->at = position_of(w, group);
	head->given = true;
	for (i = 0; i < config_setting_length(group); i++) {
		s = config_setting_get_elem(group, (unsigned int)i);
		for (row = table; row->name != NULL; row++) {
			if (strcmp(row->name, config_setting_name(s)) == 0)
				break;
		}
		if (row->name == NULL)
			unknown_setting(w, s, table);
		else
			read_setting(w, s, row, out);
	}
}

static void
default_setting(const struct setting *row, char *base)
{
	struct strings *list = (struct strings *)(void *)(base + row->offset);
	const char *p, *end;

	if (row->type == SET_GROUP) {
		schema_defaults(row->children, base + row->offset);
		return;
	}
	if (row->default_value == NULL)
		return;
	switch (row->type) {
	case SET_STRING:
		*(char **)(void *)(base + row->offset) =
		    xstrdup(row->default_value);
		break;
	case SET_INT:
		*(int *)(void *)(base + row->offset) =
		    atoi(row->default_value);
		break;
	case SET_BOOL:
		*(bool *)(void *)(base + row->offset) =
		    strcmp(row->default_value, "true") == 0;
		break;
	case SET_DURATION:
		if (duration_parse(row->default_value,
		    (int64_t *)(void *)(base + row->offset)) != NULL)
			abort();	/* the table itself is wrong */
		break;
	case SET_WORD:
		*(int *)(void *)(base + row->offset) = find_word(row->words,
		    row->default_value);
		break;
	case SET_STRINGS:
	case SET_WORDS:
		/* Separated by spaces. */
		for (p = row->default_value; *p != '\0';
		    p = end + strspn(end, " ")) {
			end = p + strcspn(p, " ");
			list->v = xreallocarray(list->v, list->count + 1,
			    sizeof(*list->v));
			list->v[list->count++] = xasprintf("%.*s",
			    (int)(end - p), p);
		}
		break;
	case SET_GROUP:
	case SET_GROUPS:
		break;
	}
}

void
schema_defaults(const struct setting *table, void *out)
{
	for (; table->name != NULL; table++)
		default_setting(table, out);
}

void
schema_free(const struct setting *table, void *out)
{
	char *base = out;
	size_t i;

	for (; table->name != NULL; table++) {
		struct strings *list =
		    (struct strings *)(void *)(base + table->offset);
		struct rows *rows =
		    (struct rows *)(void *)(base + table->offset);

		switch (table->type) {
		case SET_STRING:
			free(*(char **)(void *)(base + table->offset));
			break;
		case SET_STRINGS:
		case SET_WORDS:
			for (i = 0; i < list->count; i++)
				free(list->v[i]);
			free(list->v);
			break;
		case SET_GROUP:
			schema_free(table->children, base + table->offset);
			break;
		case SET_GROUPS:
			for (i = 0; i < rows->count; i++)
				schema_free(table->children,
				    (char *)rows->v + i * table->size);
			free(rows->v);
			break;
		case SET_INT:
		case SET_BOOL:
		case SET_DURATION:
		case SET_WORD:
			break;
		}
	}
}

/* Keys and passwords, also one typed into a zone, are not shown: nothing of
 * a line from where one may stand. */
static void
hide_secrets(char *line, size_t size)
{
	static const char *const words[] = { "key", "password", "zone" };
	size_t i;
	char *p;

	for (i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if ((p = strcasestr(line, words[i])) == NULL)
			continue;
		p += strlen(words[i]);
		text_copy(p, size - (size_t)(p - line), " ...");
	}
}

/* libconfig knows only the line; show it, with what it most often is. */
static void
syntax_error(struct schema_file *f, struct errors *errs)
{
	struct position at = { f->path, 0 };
	char line[200] = "";
	unsigned int n = 0;
	FILE *in;

	if (config_error_file(&f->cfg) != NULL)
		at.file = config_error_file(&f->cfg);
	at.line = (unsigned int)config_error_line(&f->cfg);
	if ((in = fopen(at.file, "r")) != NULL) {
		while (n < at.line && fgets(line, sizeof(line), in) != NULL)
			n += strchr(line, '\n') != NULL || feof(in);
		fclose(in);
	}
	line[strcspn(line, "\r\n")] = '\0';
	hide_secrets(line, sizeof(line));
	errors_add(errs, &at, "%s near \"%s\": look here and in the line "
	    "before for a missing quote, semicolon, comma or bracket (durations "
	    "and addresses stand in quotes)",
	    config_error_text(&f->cfg) != NULL ?
	    config_error_text(&f->cfg) : "syntax error", line);
}

struct schema_file *
schema_read(const char *path, const struct setting *table, void *out,
    struct errors *errs)
{
	struct schema_file *f = xcalloc(1, sizeof(*f));
	struct walk w = { .file = f, .errs = errs };
	struct position at = { NULL, 0 };
	char *copy = xstrdup(path), *dir = dirname(copy);
	FILE *in;

	f->path = xstrdup(path);
	at.file = f->path;
	config_init(&f->cfg);
	schema_defaults(table, out);
	config_set_include_dir(&f->cfg, dir);
	if (!scan_numbers(path, dir, &f->names, errs)) {
		in = NULL;	/* said; libconfig's scanner might exit() */
	} else if ((in = fopen(path, "r")) == NULL) {
		errors_add(errs, &at, "cannot be read: %s", strerror(errno));
	} else {
		if (config_read(&f->cfg, in) != CONFIG_TRUE)
			syntax_error(f, errs);
		else
			read_group(&w, config_root_setting(&f->cfg), table,
			    out);
		fclose(in);
	}
	free(copy);
	return f;
}

struct position
schema_where(const struct schema_file *f, const char *path)
{
	struct walk w = { .file = (struct schema_file *)(uintptr_t)f };
	char parent[PATH_MAX_BYTES], *dot;
	config_setting_t *s;

	text_copy(parent, sizeof(parent), path);
	for (;;) {
		if ((s = config_lookup(&f->cfg, parent)) != NULL)
			return position_of(&w, s);
		if ((dot = strrchr(parent, '.')) == NULL)
			return (struct position){ f->path, 0 };
		*dot = '\0';
	}
}

void
schema_close(struct schema_file *f)
{
	if (f == NULL)
		return;
	config_destroy(&f->cfg);
	scan_free(&f->names);
	free(f->path);
	free(f);
}
