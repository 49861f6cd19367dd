/* SPDX-License-Identifier: MIT */
/*
 * figures.c - what measurements are boiled down to
 */
#include "config.h"

#include "figures.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/utsname.h>

#include <kmempool/mempool.h>

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a;
	double y = *(const double *)b;

	return (x > y) - (x < y);
}

double median(const double *values, size_t n)
{
	double *sorted = malloc(n * sizeof(*sorted));
	double middle;

	if (!sorted)
		abort();
	memcpy(sorted, values, n * sizeof(*sorted));
	qsort(sorted, n, sizeof(*sorted), compare);
	middle = (sorted[(n - 1) / 2] + sorted[n / 2]) / 2;
	free(sorted);
	return middle;
}

double minimum(const double *values, size_t n)
{
	double min = values[0];
	size_t i;

	for (i = 1; i < n; i++)
		if (values[i] < min)
			min = values[i];
	return min;
}

double median_ratio(const double *values, const double *base, size_t n)
{
	double *ratios = malloc(n * sizeof(*ratios));
	double middle;
	size_t i;

	if (!ratios)
		abort();
	for (i = 0; i < n; i++)
		ratios[i] = values[i] / base[i];
	middle = median(ratios, n);
	free(ratios);
	return middle;
}

double jain(const uint64_t *counts, size_t n)
{
	double sum = 0, squares = 0;
	size_t i;

	for (i = 0; i < n; i++) {
		sum += (double)counts[i];
		squares += (double)counts[i] * (double)counts[i];
	}
	return squares > 0 ? sum * sum / ((double)n * squares) : 0;
}

void latency_add(struct latencies *sum, const struct latencies *l)
{
	size_t i;

	sum->nr += l->nr;
	for (i = 0; i < LATENCY_BUCKETS; i++)
		sum->count[i] += l->count[i];
	if (l->longest_ns > sum->longest_ns)
		sum->longest_ns = l->longest_ns;
}

/* The middle of a bucket. */
static double bucket_ns(size_t bucket)
{
	size_t shift = bucket / LATENCY_SUB;

	if (bucket < 2 * LATENCY_SUB)
		return (double)bucket;
	shift--;
	return ((double)(bucket - shift * LATENCY_SUB) + 0.5) *
	       (double)(1ULL << shift);
}

double latency_percentile(const struct latencies *l, double share)
{
	double wanted = share * (double)l->nr;
	uint64_t seen = 0;
	size_t i;

	if (!l->nr)
		return 0;
	for (i = 0; i < LATENCY_BUCKETS; i++) {
		seen += l->count[i];
		if (seen && (double)seen >= wanted)
			break;
	}
	if (bucket_ns(i) > (double)l->longest_ns)
		return (double)l->longest_ns;
	return bucket_ns(i);
}

void sleep_ms(int ms)
{
	struct timespec ts = { ms / 1000, ms % 1000 * 1000000L };

	while (nanosleep(&ts, &ts) && errno == EINTR)
		;
}

double nr_switches(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return (double)usage.ru_nvcsw;
}

uint64_t next_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

void shuffle(size_t *order, size_t n, uint64_t *state)
{
	size_t i;

	for (i = 0; i < n; i++) {
		size_t j = (size_t)(next_random(state) % (i + 1));

		order[i] = order[j];
		order[j] = i;
	}
}

static void print_cpu_model(FILE *out)
{
	FILE *f = fopen("/proc/cpuinfo", "r");
	char line[256];

	if (!f)
		return;
	while (fgets(line, sizeof(line), f))
		if (!strncmp(line, "model name", 10) && strchr(line, ':')) {
			line[strcspn(line, "\n")] = '\0';
			fprintf(out, "#%s; ", strchr(line, ':') + 1);
			break;
		}
	fclose(f);
}

void print_machine(FILE *out)
{
	struct utsname u;
	cpu_set_t cpus;

	print_cpu_model(out);
	if (!sched_getaffinity(0, sizeof(cpus), &cpus))
		fprintf(out, "%d CPUs in the affinity mask\n",
			CPU_COUNT(&cpus));
	if (!uname(&u))
		fprintf(out, "# %s %s %s; ", u.sysname, u.release, u.machine);
	fprintf(out, "libkmempool %s, compiler %s\n", kmempool_version(),
		__VERSION__);
}
