/*
 * wiring.h - what Postfix' own configuration says about mailbrake
 *
 * Text of postconf(1) in, findings out: no file is read and no command is
 * run here, so that any caller and any test may bring the text.  What is
 * found is what the files say; a Postfix that has not been reloaded since
 * may still do something else, see ctl/setup_live.h for asking it.
 *
 * Sources: postconf(1), postconf(5), master(5), socketmap_table(5), and
 * DATABASE_README for pipemap.
 */
#ifndef MAILBRAKE_CONF_WIRING_H
#define MAILBRAKE_CONF_WIRING_H

#include <stdbool.h>
#include <stddef.h>

#include "base/addr.h"
#include "base/endpoint.h"
#include "core/policy.h"

#define WIRING_SERVICE_MAX	128	/* "mx1/unix" */

/* --- what postconf prints ---------------------------------------------- */

struct wiring_service {
	char	*name, *type;		/* "smtp", "unix" */
	char	*key;			/* "smtp/unix", as postconf names it */
	char	*chroot;		/* "y", "n" or "-" */
	char	*command;		/* "smtp", without its arguments */
};

struct wiring_setting {
	char	*service;		/* a key; NULL in main.cf */
	char	*name, *value;
};

struct wiring {
	struct wiring_service	*services;	/* in the order of the file */
	size_t			 service_count;
	struct wiring_setting	*overrides;	/* -o of master.cf */
	size_t			 override_count;
	struct wiring_setting	*settings;	/* by name */
	size_t			 setting_count;
};

/*
 * services: "postconf -M"; overrides: "postconf -Px"; settings: "postconf
 * -x", which has the defaults too.  Without x the values are as they are
 * written, "$name" and all.  Lines that are not understood are left out.
 */
struct wiring	*wiring_parse(const char *services, const char *overrides,
		    const char *settings);
void		 wiring_free(struct wiring *);

/* Borrowed from the wiring.  NULL: there is none, or, of a value, this
 * Postfix does not know the parameter. */
const struct wiring_service *
		 wiring_service(const struct wiring *, const char *key);
const char	*wiring_main(const struct wiring *, const char *name);
const char	*wiring_override(const struct wiring *, const char *key,
		    const char *name);
/* What the service goes by: its own value, or that of main.cf. */
const char	*wiring_value(const struct wiring *, const char *key,
		    const char *name);

/* True if smtp(8) sends for this service; the first word alone counts. */
bool		 wiring_is_smtp(const struct wiring_service *);
/* True for smtpd(8) behind a socket or behind postscreen(8). */
bool		 wiring_is_smtpd(const struct wiring_service *);
/* As master(8) will have it: "-" depends on compatibility_level. */
bool		 wiring_is_chrooted(const struct wiring *,
		    const struct wiring_service *);

/* A list of Postfix: words between commas and white space, where braces
 * keep together what is in them. */
struct wiring_words {
	char	**v;
	size_t	 count;
};

void	 wiring_split(const char *value, struct wiring_words *out);
void	 wiring_words_free(struct wiring_words *);

/* --- the gate ---------------------------------------------------------- */

enum wiring_gate_form {
	WIRING_GATE_NONE,
	WIRING_GATE_FILE,	/* pipemap:{static:EGRESS, TYPE:PATH} */
	WIRING_GATE_SOCKETMAP,	/* socketmap:ADDRESS:gate-EGRESS */
};

struct wiring_gate {
	enum wiring_gate_form	 form;
	char			 egress[WIRING_SERVICE_MAX];
	char			 where[256];	/* TYPE:PATH, or ADDRESS */
	size_t			 index;		/* of the word in the list */
};

/* The first gate in a value of smtp_tls_policy_maps.  False: none. */
bool	 wiring_find_gate(const char *value, struct wiring_gate *out);
/* The same of one word of such a list. */
bool	 wiring_word_is_gate(const char *word, struct wiring_gate *out);
/* The map that a socketmap word asks: "route" of
 * "socketmap:unix:mailbrake/map.sock:route", else NULL.  Borrowed. */
const char *wiring_word_map(const char *word);

/* --- findings ---------------------------------------------------------- */

/* What mailbrake.conf wants.  All borrowed. */
struct wiring_want {
	const struct policy	*policy;
	const char		*gate_file;	/* [TYPE:]PATH, "" or NULL:
						 * there is none */
	struct endpoint		 milter, policy_service, socketmap;
	const struct addr	*host_addrs;	/* that the host sends from if
						 * nothing is bound; may be
						 * none */
	size_t			 host_addr_count;
	bool			 route;		/* wanted, needed or not */
};

enum wiring_point {
	WIRING_TRANSPORT,	/* the service is there and is smtp(8) */
	WIRING_GATE,
	WIRING_CACHE,		/* no connection outlives a stop */
	WIRING_BIND,		/* it sends from the egress's address */
	WIRING_HELO,
	WIRING_OTHERS,		/* further services with that address */
	WIRING_ROUTE,
	WIRING_RCPTROUTE,
	WIRING_RETRY,
	WIRING_MILTER,
	WIRING_MILTER_LOCAL,	/* sendmail(1) */
	WIRING_POLICY,
	WIRING_POINTS
};

enum wiring_state {
	WIRING_OK,
	WIRING_UNUSED,		/* not wired, and need not be */
	WIRING_MISSING,
	WIRING_WRONG,
	WIRING_STATES
};

const char	*wiring_point_name(enum wiring_point);
const char	*wiring_state_name(enum wiring_state);

struct wiring_finding {
	enum wiring_point	 point;
	enum wiring_state	 state;
	const char		*egress;	/* borrowed from the policy;
						 * NULL: of no single one */
	char			*service;	/* its key, or NULL */
	char			*text;		/* a sentence */
	char			*mend;		/* how; NULL: nothing to do */
	bool			 by_file;	/* a gate that is the file */
};

struct wiring_findings {
	struct wiring_finding	*v;
	size_t			 count;
	size_t			 bad;		/* missing and wrong */
};

/* Everything there is to say, good and bad.  out is filled by this and
 * freed by wiring_findings_free(); the policy must outlive it. */
void	wiring_check(const struct wiring *, const struct wiring_want *,
	    struct wiring_findings *out);
void	wiring_findings_free(struct wiring_findings *);

/* Of the checks, for those who plan changes. */

/* Whose address the smtp(8) service sends from: an index into egress, -1
 * for an address that is no egress's, -2 if that cannot be told. */
int	wiring_owner(const struct wiring *, const struct wiring_want *,
	    const struct wiring_service *);
bool	wiring_needs_route(const struct policy *);
bool	wiring_needs_rcptroute(const struct policy *);

/*
 * Whether the service gets to the endpoint by an address of Postfix
 * ("unix:mailbrake/map.sock", "inet:127.0.0.1:1"): relative paths are meant
 * from queue_directory, absolute ones from the chroot if there is one.
 */
bool	wiring_reaches(const struct wiring *, const struct wiring_service *,
	    const char *address, const struct endpoint *);

/* The word of a list of milters that is this endpoint, and how many words
 * stand before it; NULL: none.  The caller frees it. */
char	*wiring_find_milter(const struct wiring *,
	    const struct wiring_service *, const char *value,
	    const struct endpoint *, size_t *before);
/* The same of "check_policy_service ADDRESS" in a list of restrictions;
 * *permit is whether something that permits stands before it. */
char	*wiring_find_policy(const struct wiring *,
	    const struct wiring_service *, const char *value,
	    const struct endpoint *, bool *permit);

#endif
