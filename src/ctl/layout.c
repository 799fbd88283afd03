/*
 * layout.c - paragraphs and tables that fit a terminal
 */
#include "ctl/layout.h"

#include <sys/ioctl.h>

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"

#define GAP		2		/* between columns */
#define NARROW		8		/* no column is made narrower */
#define WIDTH_MAX	132		/* longer lines are hard to read */

/* SGR sequences; colours of the basic eight that any terminal has. */
static const char *const paints[] = {
	"", "\033[1m", "\033[2m", "\033[32m", "\033[33m", "\033[1;31m",
};

_Static_assert(sizeof(paints) / sizeof(paints[0]) == PAINT_KINDS,
    "a sequence for every paint");

struct cell {
	char		*text;
	enum paint	 paint;
};

struct grid {
	const struct column	*columns;
	size_t			 column_count;
	struct cell		*cells;
	size_t			 cell_count;
};

void
screen_open(struct screen *s, FILE *out)
{
	const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");
	struct winsize size;
	bool terminal = isatty(fileno(out)) == 1;

	s->out = out;
	s->width = SCREEN_WIDTH;
	s->colour = terminal && (no_color == NULL || *no_color == '\0') &&
	    (term == NULL || strcmp(term, "dumb") != 0);
	if (terminal && ioctl(fileno(out), TIOCGWINSZ, &size) == 0 &&
	    size.ws_col > SCREEN_WIDTH)
		s->width = size.ws_col < WIDTH_MAX ? size.ws_col : WIDTH_MAX;
}

const char *
screen_paint(const struct screen *s, enum paint paint)
{
	return s->colour ? paints[paint] : "";
}

const char *
screen_plain(const struct screen *s, enum paint paint)
{
	return s->colour && paint != PAINT_NONE ? "\033[0m" : "";
}

/* How much of a word that is longer than a line stands in it: up to the
 * last punctuation, if that is not too far back. */
static size_t
break_word(const char *s, size_t width)
{
	size_t end;

	for (end = width; end > width / 2; end--) {
		if (strchr("./:-,@?", s[end - 1]) != NULL)
			return end;
	}
	return width;
}

/*
 * Takes the next line of at most width columns from *text, at a space if
 * there is one.  Returns its length and moves *text to what follows.
 */
static size_t
next_line(const char **text, size_t width)
{
	const char *s = *text;
	size_t len = strlen(s), end;

	if (len <= width) {
		*text = s + len;
		return len;
	}
	for (end = width; end > 0 && s[end] != ' '; end--)
		;
	if (end == 0)
		end = break_word(s, width);
	*text = s + end;
	while (**text == ' ')
		(*text)++;
	while (end > 0 && s[end - 1] == ' ')
		end--;
	return end;
}

/* The first line starts where the cursor is, at column at. */
static void
say(const struct screen *s, int at, int hang, enum paint paint,
    const char *text)
{
	const char *line, *rest = text;
	size_t len;
	int space = 0;

	do {
		line = rest;
		len = next_line(&rest, (size_t)(s->width - at));
		fprintf(s->out, "%*s%s%.*s%s\n", space, "",
		    screen_paint(s, paint), (int)len, line,
		    screen_plain(s, paint));
		at = space = hang;
	} while (*rest != '\0');
}

void
screen_say(const struct screen *s, int indent, int hang, enum paint paint,
    const char *fmt, ...)
{
	char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) == -1)
		abort();
	va_end(ap);
	fprintf(s->out, "%*s", indent, "");
	say(s, indent, hang, paint, text);
	free(text);
}

void
screen_rest(const struct screen *s, int hang, enum paint paint,
    const char *fmt, ...)
{
	char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) == -1)
		abort();
	va_end(ap);
	say(s, hang, hang, paint, text);
	free(text);
}

struct grid *
grid_new(const struct column *columns, size_t count)
{
	struct grid *t = xcalloc(1, sizeof(*t));

	t->columns = columns;
	t->column_count = count;
	return t;
}

void
grid_free(struct grid *t)
{
	size_t i;

	for (i = 0; i < t->cell_count; i++)
		free(t->cells[i].text);
	free(t->cells);
	free(t);
}

void
grid_cell(struct grid *t, enum paint paint, const char *fmt, ...)
{
	struct cell cell = { .paint = paint };
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&cell.text, fmt, ap) == -1)
		abort();
	va_end(ap);
	/* Grown by powers of two. */
	if ((t->cell_count & (t->cell_count - 1)) == 0)
		t->cells = xreallocarray(t->cells, t->cell_count == 0 ? 1 :
		    2 * t->cell_count, sizeof(*t->cells));
	t->cells[t->cell_count++] = cell;
}

size_t
grid_rows(const struct grid *t)
{
	return t->cell_count / t->column_count;
}

/* The column that can best give a place away: the widest of those that
 * wrap, and if that is not enough the widest of all. */
static size_t
widest(const struct grid *t, const int *widths, bool any)
{
	size_t i, best = t->column_count;

	for (i = 0; i < t->column_count; i++) {
		if (widths[i] <= NARROW ||
		    (!any && (t->columns[i].flags & COLUMN_WRAP) == 0))
			continue;
		if (best == t->column_count || widths[i] > widths[best])
			best = i;
	}
	return best;
}

static void
fit(const struct grid *t, int *widths, int room)
{
	int total = GAP * ((int)t->column_count - 1);
	size_t i, column;
	int len;

	for (i = 0; i < t->column_count; i++)
		widths[i] = (int)strlen(t->columns[i].title);
	for (i = 0; i < grid_rows(t) * t->column_count; i++) {
		len = (int)strlen(t->cells[i].text);
		if (len > widths[i % t->column_count])
			widths[i % t->column_count] = len;
	}
	for (i = 0; i < t->column_count; i++)
		total += widths[i];
	for (; total > room; total--) {
		column = widest(t, widths, false);
		if (column == t->column_count)
			column = widest(t, widths, true);
		if (column == t->column_count)
			return;
		widths[column]--;
	}
}

/* One row, as many lines as its longest cell needs.  rest is room for a
 * pointer a column. */
static void
print_row(const struct grid *t, const struct screen *s, int indent,
    const int *widths, const struct cell *row, const char **rest)
{
	const char *line;
	size_t i, len;
	int space, pad;
	bool more;

	for (i = 0; i < t->column_count; i++)
		rest[i] = row[i].text;
	do {
		more = false;
		/* Spaces are owed until something follows them. */
		space = indent;
		for (i = 0; i < t->column_count; i++) {
			line = rest[i];
			len = next_line(&rest[i], (size_t)widths[i]);
			more = more || *rest[i] != '\0';
			pad = widths[i] - (int)len;
			if (len > 0) {
				if (t->columns[i].flags & COLUMN_RIGHT) {
					space += pad;
					pad = 0;
				}
				fprintf(s->out, "%*s%s%.*s%s", space, "",
				    screen_paint(s, row[i].paint), (int)len,
				    line, screen_plain(s, row[i].paint));
				space = 0;
			}
			space += pad + GAP;
		}
		fputc('\n', s->out);
	} while (more);
}

void
grid_print(const struct grid *t, const struct screen *s, int indent)
{
	struct cell *titles;
	const char **rest;
	bool titled = false;
	int *widths;
	size_t i;

	if (grid_rows(t) == 0)
		return;
	titles = xcalloc(t->column_count, sizeof(*titles));
	rest = xcalloc(t->column_count, sizeof(*rest));
	widths = xcalloc(t->column_count, sizeof(*widths));
	for (i = 0; i < t->column_count; i++) {
		titles[i].text = xstrdup(t->columns[i].title);
		titles[i].paint = PAINT_DIM;
		titled = titled || titles[i].text[0] != '\0';
	}
	fit(t, widths, s->width - indent);
	if (titled)
		print_row(t, s, indent, widths, titles, rest);
	for (i = 0; i < grid_rows(t); i++)
		print_row(t, s, indent, widths,
		    &t->cells[i * t->column_count], rest);
	for (i = 0; i < t->column_count; i++)
		free(titles[i].text);
	free(titles);
	free(rest);
	free(widths);
}
