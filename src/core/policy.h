/*
 * policy.h - what the operator wants, as the core sees it
 *
 * Filled by the configuration loader, immutable afterwards and reference
 * counted: views of the board keep the policy that they were made under.
 * Durations are milliseconds, named _ms.
 */
#ifndef MAILBRAKE_CORE_POLICY_H
#define MAILBRAKE_CORE_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "core/list.h"
#include "core/traffic.h"

enum mode {
	MODE_ENFORCE,
	MODE_OBSERVE,		/* decide and report, let all mail pass */
};

enum action {
	ACT_PASS,
	ACT_REROUTE,
	ACT_TEMPFAIL,
	ACT_HOLD,
	ACT_QUEUE,		/* take it: the gate keeps it in the queue */
	ACT_KINDS
};

const char	*action_name(enum action);

enum choose {
	CHOOSE_FAILOVER,
	CHOOSE_SPREAD,
};

enum submission {
	SUBMISSION_UNSET,	/* as the pool's actions say */
	SUBMISSION_TEMPFAIL,
	SUBMISSION_ACCEPT,
	SUBMISSION_HOLD,
};

struct egress {
	char		*name;
	struct addr	*addrs;
	size_t		 addr_count;
	char		**transports;	/* the MTA's names for this way out */
	size_t		 transport_count;
	char		*nexthop;	/* of what takes it: another host that
					 * sends from it; may be NULL */
	char		*hostname;	/* HELO name; may be NULL */
	char		*helo_domain;	/* its registered domain, or NULL */
	size_t		 pool;
	bool		 watched;	/* false: found private, see loader */
	int		 weight;	/* its share where mail is spread */
	bool		 warm;		/* the operator vouches for it */
	struct traffic	*traffic;	/* counted by front ends */
};

struct pool {
	char		*name;
	size_t		*egress;	/* indexes, in order of preference */
	size_t		 egress_count;
	enum choose	 choose;
	enum action	 actions[ACT_KINDS];
	size_t		 action_count;
	enum submission	 submission;
	int		 burn_limit;
	int64_t		 burn_window_ms;
	int		 reroute_limit;	/* times the usual volume; 0: none */
};

/* First match wins; a NULL field matches everything.  "@example.org" is a
 * domain, anything with a local part one mailbox. */
struct route {
	char		*sender;
	char		*recipient;
	char		*account;
	size_t		 pool;
};

/* A sender domain that is watched.  Lists are asked about the registered
 * domain; what is braked is mail from name and from below it. */
struct sender_domain {
	char		*name;		/* normal, see base/domain.h */
	char		*asked;
};

/* A receiver with a block list of its own. */
struct provider {
	char		*name;
	char		**domains;	/* and what is below them */
	size_t		 domain_count;
};

struct policy {
	enum mode	 mode;
	struct egress	*egress;
	size_t		 egress_count;
	struct pool	*pools;
	size_t		 pool_count;
	struct route	*routes;
	size_t		 route_count;
	struct list	*lists;		/* those that are enabled */
	size_t		 list_count;
	struct sender_domain *domains;
	size_t		 domain_count;
	struct provider	*providers;
	size_t		 provider_count;
	char		**local_domains;
	size_t		 local_domain_count;
	char		**local_transports;
	size_t		 local_transport_count;
	int		 confirm;	/* looks before a listing counts */
	int		 stop_score;
	int		 resume_clean;	/* clean answers before it is gone */
	int64_t		 resume_after_ms;
	int64_t		 resume_ramp_ms;
	int		 resume_canaries;/* messages that go first */
	int		 relapse_factor;
	int64_t		 resume_max_wait_ms;
	int64_t		 flap_window_ms;/* how long a gone listing is minded */

	int		 references;	/* policy.c only; atomic */
};

/* One reference, for the caller.  Any thread. */
struct policy	*policy_new(void);
struct policy	*policy_ref(struct policy *);
void		 policy_unref(struct policy *);

/* Equal for policies that decide alike about the same facts: lists with what
 * their answers mean and weigh, and what stop, resume and check.confirm say.
 * What differs from host to host (egresses, pools, routes, domains) is not
 * in it, nor are keys. */
uint64_t	 policy_rules_hash(const struct policy *);

/* Index, or -1.  The domain that a sender is in: the most specific. */
int		 policy_find_domain(const struct policy *,
		    const char *sender_domain);
int		 policy_find_egress(const struct policy *, const char *name);
/* The egress that uses this transport of the MTA. */
int		 policy_find_transport(const struct policy *,
		    const char *transport);
/* The provider that a recipient's domain belongs to. */
int		 policy_find_provider(const struct policy *,
		    const char *domain);
int		 policy_find_list(const struct policy *, const char *zone);

#endif
