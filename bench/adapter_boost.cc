// SPDX-License-Identifier: MIT
//
// adapter_boost.cc - boost::pool, bare and with the lock it needs for threads
//
// The lock is what singleton_pool has, whose size is one of its types.
#include "adapter.h"

#include <boost/pool/pool.hpp>

#include <mutex>

namespace {

struct locked {
	explicit locked(std::size_t size) : pool(size) {}

	std::mutex	lock;
	boost::pool<>	pool;
};

void *bare_create(size_t size, size_t)
{
	return new boost::pool<>(size);
}

inline void *bare_alloc(void *pool)
{
	return static_cast<boost::pool<> *>(pool)->malloc();
}

inline void bare_free(void *pool, void *object)
{
	static_cast<boost::pool<> *>(pool)->free(object);
}

ADAPTER_LOOPS(bare)

void *locked_create(size_t size, size_t)
{
	return new locked(size);
}

inline void *locked_alloc(void *arg)
{
	locked *pool = static_cast<locked *>(arg);
	std::lock_guard<std::mutex> guard(pool->lock);

	return pool->pool.malloc();
}

inline void locked_free(void *arg, void *object)
{
	locked *pool = static_cast<locked *>(arg);
	std::lock_guard<std::mutex> guard(pool->lock);

	pool->pool.free(object);
}

ADAPTER_LOOPS(locked)

adapter made(const char *name, unsigned int parts)
{
	adapter a = {};

	a.name = name;
	a.parts = parts;
	return a;
}

adapter make_bare()
{
	adapter a = made("boost", PART_PAIR | PART_BATCH | PART_HEAP);

	a.create = bare_create;
	a.pairs = bare_pairs;
	a.fill = bare_fill;
	a.drain = bare_drain;
	return a;
}

adapter make_locked()
{
	adapter a = made("boost+mutex", PART_PAIR | PART_BATCH | PART_THREADS);

	a.create = locked_create;
	a.pairs = locked_pairs;
	a.fill = locked_fill;
	a.drain = locked_drain;
	return a;
}

} // namespace

const adapter adapter_boost = make_bare();
const adapter adapter_boost_lock = make_locked();
