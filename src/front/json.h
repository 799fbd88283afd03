/*
 * json.h - values as JSON, as all answers of the daemon have them
 *
 * Times are ISO 8601 in UTC or null; text is ASCII and on one line, whatever
 * it came from: names and notes stand in files that may hold any bytes,
 * jansson takes UTF-8 only, and a terminal had better get ASCII.  What is
 * returned is the caller's; what is put into an object is the object's.
 */
#ifndef MAILBRAKE_FRONT_JSON_H
#define MAILBRAKE_FRONT_JSON_H

#include <stdint.h>

#include <jansson.h>

#define SENTENCE_MAX	1024

json_t	*new_text(const char *);	/* null for NULL */
json_t	*new_time(int64_t wall_ms);	/* null for 0 */

void	 put(json_t *object, const char *key, json_t *value);
void	 put_text(json_t *object, const char *key, const char *);
/* "" and NULL are both nothing. */
void	 put_filled(json_t *object, const char *key, const char *);
void	 put_time(json_t *object, const char *key, int64_t wall_ms);
void	 put_int(json_t *object, const char *key, int64_t);
/* An address of a web page with "{subject}" in it filled in. */
void	 put_link(json_t *object, const char *key, const char *link,
	    const char *subject);

#endif
