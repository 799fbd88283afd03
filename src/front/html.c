/*
 * html.c - markup, and text that can only ever be text
 */
#include "front/html.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"

void
html_raw(struct evbuffer *out, const char *markup)
{
	evbuffer_add(out, markup, strlen(markup));
}

static const char *
escape(char c)
{
	switch (c) {
	case '&':
		return "&amp;";
	case '<':
		return "&lt;";
	case '>':
		return "&gt;";
	case '"':
		return "&quot;";
	case '\'':
		return "&#39;";
	default:
		return c == ' ' || (c > ' ' && c < 127) ? NULL : "?";
	}
}

static void
add_escaped(struct evbuffer *out, const char *s)
{
	const char *from = s, *instead;

	for (; *s != '\0'; s++) {
		if ((instead = escape(*s)) == NULL)
			continue;
		evbuffer_add(out, from, (size_t)(s - from));
		html_raw(out, instead);
		from = s + 1;
	}
	evbuffer_add(out, from, (size_t)(s - from));
}

void
html_text(struct evbuffer *out, const char *fmt, ...)
{
	char small[1024], *text = small;
	va_list ap;
	int len;

	va_start(ap, fmt);
	len = vsnprintf(small, sizeof(small), fmt, ap);
	va_end(ap);
	if (len >= (int)sizeof(small)) {
		text = xcalloc(1, (size_t)len + 1);
		va_start(ap, fmt);
		vsnprintf(text, (size_t)len + 1, fmt, ap);
		va_end(ap);
	}
	add_escaped(out, text);
	if (text != small)
		free(text);
}

void
html_link(struct evbuffer *out, const char *url)
{
	if (strncmp(url, "https://", 8) != 0 &&
	    strncmp(url, "http://", 7) != 0) {
		html_text(out, "%s", url);
		return;
	}
	html_raw(out, "<a rel=\"noreferrer noopener\" href=\"");
	html_text(out, "%s", url);
	html_raw(out, "\">");
	html_text(out, "%s", url);
	html_raw(out, "</a>");
}

char *
html_take(struct evbuffer *out, size_t *len)
{
	char *text;

	*len = evbuffer_get_length(out);
	text = xcalloc(1, *len + 1);
	evbuffer_remove(out, text, *len);
	evbuffer_free(out);
	return text;
}
