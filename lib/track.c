/* SPDX-License-Identifier: MIT */
/*
 * track.c - who did something, where, and when
 *
 * The place is kept as an address and looked up when it is reported, as an
 * offset into a module, which addr2line understands wherever the module was
 * loaded.
 */
#include "config.h"

#include "track.h"

#include <dlfcn.h>
#include <stddef.h>
#include <unistd.h>

#include "compiler.h"
#include "deadline.h"
#include "report.h"

/* A system call each time would cost more than all else. */
static __thread uint32_t own_number __attribute__((tls_model("initial-exec")));

void track_child(void)
{
	own_number = 0;
}

void track_set(struct track *track, const void *caller)
{
	if (unlikely(!own_number))
		own_number = (uint32_t)gettid();
	track->caller = caller;
	track->at_ns = deadline_about_now_ns();
	track->thread = own_number;
}

#ifdef HAVE_DLADDR
static void add_place(struct report *report, const void *address)
{
	Dl_info info;

	if (dladdr(address, &info) && info.dli_fname)
		report_add(report, " at %s+%#tx", info.dli_fname,
			   (const char *)address -
			   (const char *)info.dli_fbase);
	else
		report_add(report, " at %p", address);
}
#else
static void add_place(struct report *report, const void *address)
{
	report_add(report, " at %p", address);
}
#endif

void track_add(struct report *report, const char *what,
	       const struct track *track)
{
	uint64_t now = deadline_now_ns(), ago;

	if (!track->thread) {
		report_add(report, "  never %s\n", what);
		return;
	}
	/* Another thread's clock may have been read later. */
	ago = now > track->at_ns ? now - track->at_ns : 0;
	report_add(report, "  %s by thread %u", what, track->thread);
	if (track->caller)
		add_place(report, track->caller);
	report_add(report, ", %llu.%06llu s ago\n",
		   (unsigned long long)(ago / NSEC_PER_SEC),
		   (unsigned long long)(ago % NSEC_PER_SEC / NSEC_PER_USEC));
}
