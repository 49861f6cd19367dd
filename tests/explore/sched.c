/* SPDX-License-Identifier: MIT */
/*
 * sched.c - fibers that run one at a time, and the ways they can go on
 *
 * A fiber gives up control at scheduling points: before it takes a lock, after
 * it released one, so before it signals without, when it waits, after it told
 * another something by an exchange, and where a callback says so.  There every
 * way in which some fiber can go on is collected and search.c picks one.
 * Between points fibers run undisturbed, so what is read or written without a
 * lock is interleaved at the resolution of the points; orders weaker than
 * sequential consistency are not tried.
 *
 * Each fiber has the program's thread-specific data to itself, as the first
 * pool of all left it: so they share one block of counters, but for its
 * condition variable (spins.c).  In this they differ from threads.
 *
 * Time stands still until a timer fires or a fiber lets it pass; a timer that
 * fires makes it what it was set to, at least.  A timer may fire while others
 * could still run.  That is a deviation, as any thread may be slow.
 *
 * Cancelling a fiber unwinds its stack as the C library does it for a thread,
 * so the library's own clean-up code is run by the means that will run it.
 */
#undef _FORTIFY_SOURCE		/* it takes the jumps below for mistakes */
#include "config.h"

#include "fiber.h"

#include <errno.h>
#include <link.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>
#include <unwind.h>

#define STACK_SIZE	(64 * 1024)
/* So many points in one schedule mean that it does not end. */
#define MOST_POINTS	4000

struct fiber *self;
struct fiber fibers[NR_FIBERS];
unsigned int nr_fibers;
bool tracing;

static const struct scenario *scenario;
static jmp_buf outside;
static uint64_t now_ns;
static unsigned int nr_points;
static unsigned int nr_cancels, nr_spurious, nr_early;
static bool stacks_ready;		/* false: a failed schedule left frames */
static char failure[512];

/* The program's thread-specific data, and as it was at the beginning. */
static char *tls;
static size_t tls_size;
static char first_tls[TLS_SIZE];

uint64_t explore_now_ns(void)
{
	return now_ns;
}

void explore_let_pass(uint64_t ns)
{
	explore_point("lets time pass");
	now_ns += ns;
}

int explore_self(void)
{
	return self ? (int)(self - fibers) : -1;
}

void explore_fail(const char *format, ...)
{
	va_list args;
	int n = snprintf(failure, sizeof(failure), "%s: ",
			 self ? self->name : "at the end");

	va_start(args, format);
	vsnprintf(failure + n, sizeof(failure) - (size_t)n, format, args);
	va_end(args);
	stacks_ready = false;
	if (in_child)
		child_ends(failure);
	self = NULL;
	_longjmp(outside, 1);
}

/* ---- thread-specific data ---------------------------------------------- */

/* The first object is the program. */
static int look_at_program(struct dl_phdr_info *info, size_t size,
			   void *unused)
{
	unsigned int i;

	(void)size;
	(void)unused;
	for (i = 0; i < info->dlpi_phnum; i++)
		if (info->dlpi_phdr[i].p_type == PT_TLS)
			tls_size = info->dlpi_phdr[i].p_memsz;
	tls = info->dlpi_tls_data;
	return 1;
}

static void find_tls(void)
{
	dl_iterate_phdr(look_at_program, NULL);
	if (!tls || tls_size > TLS_SIZE)
		abort();
	memcpy(first_tls, tls, tls_size);
}

/* ---- fibers ------------------------------------------------------------ */

static void jump(struct fiber *to)
{
	struct fiber *from = self;

	if (to == from)
		return;
	from->saved_errno = errno;
	memcpy(from->tls, tls, tls_size);
	self = to;
	if (!_setjmp(from->context))
		_longjmp(to->context, 1);
	errno = self->saved_errno;
	memcpy(tls, self->tls, tls_size);
}

static _Noreturn void fiber_main(void)
{
	struct fiber *fiber = self;

	if (!_setjmp(fiber->context))
		_longjmp(outside, 1);
	for (;;) {
		errno = 0;
		memcpy(tls, first_tls, tls_size);
		if (!_setjmp(fiber->base))
			fiber->body(fiber->arg);
		self->state = DONE;
		sched_switch();
	}
}

/* Makes its stack, or makes it anew. */
static void prepare(struct fiber *fiber)
{
	ucontext_t context;

	if (!fiber->stack)
		fiber->stack = malloc(STACK_SIZE);
	if (!fiber->stack || getcontext(&context))
		abort();
	context.uc_stack.ss_sp = fiber->stack;
	context.uc_stack.ss_size = STACK_SIZE;
	context.uc_link = NULL;
	makecontext(&context, (void (*)(void))fiber_main, 0);
	self = fiber;
	if (!_setjmp(outside))
		setcontext(&context);
	self = NULL;
}

void explore_spawn(const char *name, void (*body)(void *arg), void *arg)
{
	struct fiber *fiber = &fibers[nr_fibers++];

	if (nr_fibers > NR_FIBERS)
		abort();
	fiber->name = name;
	fiber->body = body;
	fiber->arg = arg;
	fiber->state = READY;
	fiber->may_cancel = false;
	fiber->cancel_state = PTHREAD_CANCEL_ENABLE;
	strcpy(fiber->doing, "begins");
}

static _Unwind_Reason_Code stop(int version, _Unwind_Action actions,
				_Unwind_Exception_Class class,
				struct _Unwind_Exception *exception,
				struct _Unwind_Context *context, void *fiber)
{
	(void)version;
	(void)class;
	(void)exception;
	(void)context;
	if (actions & _UA_END_OF_STACK)
		_longjmp(((struct fiber *)fiber)->base, 1);
	return _URC_NO_REASON;
}

void sched_cancel(void)
{
	/* One each: the clean-up of one may be interrupted by another's. */
	static struct _Unwind_Exception exceptions[NR_FIBERS];
	struct _Unwind_Exception *exception = &exceptions[explore_self()];

	self->may_cancel = false;
	self->state = READY;
	memset(exception, 0, sizeof(*exception));
	_Unwind_ForcedUnwind(exception, stop, self);
	explore_fail("could not be unwound");
}

void sched_alone(void)
{
	unsigned int i;

	for (i = 0; i < nr_fibers; i++)
		if (&fibers[i] != self)
			fibers[i].state = DONE;
}

/* ---- what can happen next ---------------------------------------------- */

struct option {
	struct fiber	*fiber;
	enum step	step;
};

struct options {
	struct option	all[NR_FIBERS * 4];
	unsigned int	nr;
};

static void add(struct options *options, struct fiber *fiber, enum step step)
{
	options->all[options->nr].fiber = fiber;
	options->all[options->nr].step = step;
	options->nr++;
}

static bool lock_is_free(const struct fiber *fiber)
{
	return !fiber->lock->owner;
}

static bool can_run(const struct fiber *fiber)
{
	switch (fiber->state) {
	case READY:
		return true;
	case WANTS_LOCK:
		return lock_is_free(fiber);
	case WAITS:
		return fiber->woken && lock_is_free(fiber);
	case AWAITS:
		return fiber->ready(fiber->ready_arg);
	default:
		return false;
	}
}

static bool has_timer(const struct fiber *fiber)
{
	return fiber->wake_ns < HORIZON_NS &&
	       (fiber->state == SLEEPS || fiber->state == AWAITS ||
		(fiber->state == WAITS && lock_is_free(fiber)));
}

static void add_first_timer(struct options *options)
{
	struct fiber *first = NULL, *fiber;

	for (fiber = fibers; fiber < fibers + nr_fibers; fiber++)
		if (has_timer(fiber) && !fiber->woken &&
		    (!first || fiber->wake_ns < first->wake_ns))
			first = fiber;
	if (first)
		add(options, first, TIMER);
}

static void add_deviations(struct options *options, bool timers)
{
	struct fiber *fiber;

	for (fiber = fibers; fiber < fibers + nr_fibers; fiber++) {
		bool waits = fiber->state == WAITS && lock_is_free(fiber);

		if (timers && has_timer(fiber) && nr_early < scenario->early)
			add(options, fiber, fiber->woken ? LATE : TIMER);
		if (waits && !fiber->woken && nr_spurious < scenario->spurious)
			add(options, fiber, SPURIOUS);
		if ((waits || fiber->state == SLEEPS) && fiber->may_cancel &&
		    fiber->cancel_state == PTHREAD_CANCEL_ENABLE &&
		    nr_cancels < scenario->cancels)
			add(options, fiber, CANCEL);
	}
}

/* The plain one comes first. */
static void collect(struct options *options)
{
	unsigned int i, from = self ? (unsigned int)(self - fibers) : 0;
	bool somebody_can;

	options->nr = 0;
	for (i = 0; i < nr_fibers; i++) {
		struct fiber *fiber = &fibers[(from + i) % nr_fibers];

		if (can_run(fiber))
			add(options, fiber, RUN);
	}
	somebody_can = options->nr;
	if (!somebody_can)
		add_first_timer(options);
	if (options->nr)
		add_deviations(options, somebody_can);
}

static const char *const steps[] = {
	[RUN] = "", [TIMER] = "its timer fires; ",
	[LATE] = "signalled, but late; ", [SPURIOUS] = "wakes for nothing; ",
	[CANCEL] = "is cancelled; ",
};

static void carry_out(const struct option *option, bool deviates)
{
	struct fiber *fiber = option->fiber;
	enum step step = option->step;

	nr_cancels += step == CANCEL;
	nr_spurious += step == SPURIOUS;
	if (step == TIMER || step == LATE) {
		nr_early += deviates;
		if (now_ns < fiber->wake_ns)
			now_ns = fiber->wake_ns;
	}
	if (fiber->state == WANTS_LOCK || fiber->state == WAITS)
		fiber->lock->owner = (int)(fiber - fibers) + 1;
	if (fiber->state == WAITS)
		fiber->cond->nr_waiting--;
	fiber->state = READY;
	fiber->step = step;
	if (tracing)
		printf("%4u  %-10s %s%s\n", nr_points, fiber->name,
		       steps[step], fiber->doing);
}

static void explain_deadlock(void)
{
	struct fiber *fiber;
	char text[256] = "";
	size_t n = 0;

	for (fiber = fibers; fiber < fibers + nr_fibers; fiber++)
		if (fiber->state != DONE && n < sizeof(text))
			n += (size_t)snprintf(text + n, sizeof(text) - n,
					      "; %s %s", fiber->name,
					      fiber->doing);
	explore_fail("nobody can go on%s", text);
}

/* Who is next; NULL when all are done. */
static struct fiber *choose(void)
{
	struct options options;
	unsigned int i;

	collect(&options);
	if (!options.nr) {
		for (i = 0; i < nr_fibers; i++)
			if (fibers[i].state != DONE)
				explain_deadlock();
		return NULL;
	}
	if (++nr_points > MOST_POINTS)
		explore_fail("does not end");
	i = in_child ? 0 : search_choose(options.nr);
	carry_out(&options.all[i], i > 0);
	return options.all[i].fiber;
}

enum step sched_switch(void)
{
	struct fiber *next = choose();

	if (next) {
		jump(next);
	} else if (in_child) {
		child_ends(NULL);
	} else if (!_setjmp(self->context)) {
		memcpy(tls, first_tls, tls_size);
		self = NULL;
		_longjmp(outside, 2);
	}
	return self->step;
}

/* ---- points ------------------------------------------------------------ */

__attribute__((format(printf, 1, 0)))
static void set_doing(const char *fmt, va_list args)
{
	if (fmt != self->doing)
		vsnprintf(self->doing, sizeof(self->doing), fmt, args);
}

void sched_doing(const char *fmt, ...)
{
	va_list args;

	/* Formatting costs more than all the rest of a schedule. */
	if (!tracing || !self)
		return;
	va_start(args, fmt);
	set_doing(fmt, args);
	va_end(args);
}

void sched_point(const char *fmt, ...)
{
	va_list args;

	if (!self)
		return;
	if (tracing) {
		va_start(args, fmt);
		set_doing(fmt, args);
		va_end(args);
	}
	sched_switch();
}

void explore_point(const char *what)
{
	sched_point("%s", what);
}

void explore_cancel_point(const char *what)
{
	sched_point("%s", what);
	if (!self || !self->may_cancel || in_child ||
	    nr_cancels >= scenario->cancels ||
	    self->cancel_state != PTHREAD_CANCEL_ENABLE)
		return;
	if (search_choose(2)) {
		nr_cancels++;
		if (tracing)
			printf("%4u  %-10s is cancelled\n", nr_points,
			       self->name);
		sched_cancel();
	}
}

void explore_atomic(void)
{
	if (self && scenario->atomics)
		sched_point("goes on");
}

_Bool explore_exchanged(_Bool done)
{
	if (done)
		sched_point("goes on after an exchange");
	return done;
}

enum step sched_await(bool (*ready)(void *arg), void *arg, uint64_t wake_ns)
{
	enum step step;

	self->ready = ready;
	self->ready_arg = arg;
	self->woken = false;
	self->wake_ns = wake_ns;
	self->state = AWAITS;
	step = sched_switch();
	self->wake_ns = UINT64_MAX;
	return step;
}

void explore_await(const char *what, bool (*ready)(void *arg), void *arg)
{
	sched_doing("waits until %s", what);
	sched_await(ready, arg, UINT64_MAX);
}

void explore_allow_cancel(void)
{
	self->may_cancel = true;
}

/* ---- one schedule ------------------------------------------------------ */

static void run_fibers(void)
{
	struct fiber *first;

	switch (_setjmp(outside)) {
	case 0:
		first = choose();
		if (!first)
			return;
		self = first;
		_longjmp(first->context, 1);
	case 1:
		return;
	}
	/* All returned; explore_fail() is to come back here from now on. */
	if (_setjmp(outside))
		return;
	spins_end();
	if (nr_conds)
		explore_fail("a condition variable was not destroyed");
	if (scenario->check)
		scenario->check();
}

const char *sched_run(const struct scenario *scenario_to_run)
{
	unsigned int i;

	if (!tls)
		find_tls();
	memcpy(tls, first_tls, tls_size);
	for (i = 0; !stacks_ready && i < NR_FIBERS; i++)
		prepare(&fibers[i]);
	stacks_ready = true;
	scenario = scenario_to_run;
	nr_fibers = 0;
	nr_points = nr_cancels = nr_spurious = nr_early = 0;
	now_ns = 1000000000;
	spins_begin(scenario);
	nr_conds = 0;
	failure[0] = '\0';
	if (!_setjmp(outside)) {
		scenario->setup();
		run_fibers();
	}
	return failure[0] ? failure : NULL;
}
