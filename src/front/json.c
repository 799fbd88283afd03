/*
 * json.c - values as JSON, as all answers of the daemon have them
 */
#include "front/json.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"

json_t *
new_text(const char *s)
{
	char clean[SENTENCE_MAX];

	if (s == NULL)
		return json_null();
	return json_string(text_clean(clean, sizeof(clean), s, strlen(s)));
}

json_t *
new_time(int64_t wall_ms)
{
	char buf[CLOCK_TEXT_MAX];

	return wall_ms == 0 ? json_null() :
	    json_string(clock_iso(wall_ms, buf));
}

void
put(json_t *object, const char *key, json_t *value)
{
	json_object_set_new(object, key, value);
}

void
put_text(json_t *object, const char *key, const char *s)
{
	put(object, key, new_text(s));
}

void
put_filled(json_t *object, const char *key, const char *s)
{
	put(object, key, new_text(s != NULL && *s != '\0' ? s : NULL));
}

void
put_time(json_t *object, const char *key, int64_t wall_ms)
{
	put(object, key, new_time(wall_ms));
}

void
put_int(json_t *object, const char *key, int64_t n)
{
	put(object, key, json_integer(n));
}

void
put_link(json_t *object, const char *key, const char *link,
    const char *subject)
{
	static const char mark[] = "{subject}";
	const char *at = link != NULL ? strstr(link, mark) : NULL;
	char *filled;

	if (at == NULL) {
		put_filled(object, key, link);
		return;
	}
	filled = xasprintf("%.*s%s%s", (int)(at - link), link, subject,
	    at + sizeof(mark) - 1);
	put_text(object, key, filled);
	free(filled);
}
