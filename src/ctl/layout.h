/*
 * layout.h - paragraphs and tables that fit a terminal
 *
 * Nothing is cut off: what does not fit goes on in the next line.  Text is
 * ASCII without control characters (what came from the daemon has been
 * cleaned), one byte is one column.
 */
#ifndef MAILBRAKE_CTL_LAYOUT_H
#define MAILBRAKE_CTL_LAYOUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#define SCREEN_WIDTH	80		/* where it is not known */

enum paint {
	PAINT_NONE,
	PAINT_BOLD,
	PAINT_DIM,
	PAINT_GOOD,			/* green */
	PAINT_WARN,			/* yellow */
	PAINT_BAD,			/* red and bold */
	PAINT_KINDS
};

struct screen {
	FILE	*out;
	int	 width;
	bool	 colour;
};

/* Colour only on a terminal that is not "dumb", and not with NO_COLOR;
 * wider than 80 columns only where the terminal is. */
void	screen_open(struct screen *, FILE *);

/* Escape sequences, or "" without colour. */
const char *screen_paint(const struct screen *, enum paint);
const char *screen_plain(const struct screen *, enum paint);

/* A paragraph that starts at column indent and goes on at column hang. */
void	screen_say(const struct screen *, int indent, int hang, enum paint,
	    const char *fmt, ...)
	    __attribute__((__format__(__printf__, 5, 6)));

/* The same where column hang is reached already. */
void	screen_rest(const struct screen *, int hang, enum paint,
	    const char *fmt, ...)
	    __attribute__((__format__(__printf__, 4, 5)));

enum column_flags {
	COLUMN_RIGHT = 1,		/* numbers */
	COLUMN_WRAP = 2,		/* gets narrower when others cannot */
};

struct column {
	const char	*title;		/* "" for all: no row of titles */
	int		 flags;
};

struct grid;				/* opaque */

/* columns live as long as the table. */
struct grid	*grid_new(const struct column *columns, size_t count);
void		 grid_free(struct grid *);

/* The next cell, row after row. */
void		 grid_cell(struct grid *, enum paint, const char *fmt, ...)
		    __attribute__((__format__(__printf__, 3, 4)));
size_t		 grid_rows(const struct grid *);

/* Titles and all complete rows; nothing if there are none. */
void		 grid_print(const struct grid *, const struct screen *,
		    int indent);

#endif
