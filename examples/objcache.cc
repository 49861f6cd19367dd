/* SPDX-License-Identifier: MIT */
/*
 * objcache.cc - a class whose objects keep something from use to use
 *
 * A message has a mutex and a buffer that has grown to its usual size.  Neither
 * need be made anew for each message, so they are not of the class: they lie
 * before it, in the same object of the cache, and are made and destroyed by the
 * cache's constructor and destructor.  The rest is the affair of the class's
 * own, which new and delete run as ever.
 *
 * Shown in kmem_cache_alloc(3).
 */

#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <new>
#include <string>
#include <utility>
#include <vector>

#include <kmempool/slab.h>

// What survives.
struct kept {
	std::mutex		lock;
	std::vector<char>	buffer;

	kept() { buffer.reserve(256); nr++; }
	~kept() { nr--; }

	static int nr;
};

int kept::nr;

// final: operator new below has room for this class, not for a larger one.
class message final {
public:
	explicit message(std::string to) : to_(std::move(to)) { }
	~message() { own()->buffer.clear(); }	// as it was constructed

	void append(const std::string &text)
	{
		std::lock_guard<std::mutex> guard(own()->lock);
		std::vector<char> &buffer = own()->buffer;

		buffer.insert(buffer.end(), text.begin(), text.end());
	}

	std::size_t size() const { return own()->buffer.size(); }
	std::size_t room() const { return own()->buffer.capacity(); }

	static void *operator new(std::size_t size);
	static void operator delete(void *object);

private:
	kept *own() const;

	std::string to_;
};

// The kept part, then the message.
constexpr std::size_t align = alignof(std::max_align_t);
constexpr std::size_t offset = (sizeof(kept) + align - 1) / align * align;

// Exceptions must not leave a callback.
extern "C" {

static int keep(void *object, void *, gfp_t)
{
	try {
		new (object) kept;
		return 0;
	} catch (const std::bad_alloc &) {
		return -ENOMEM;
	}
}

static void unkeep(void *object, void *)
{
	static_cast<kept *>(object)->~kept();
}

}

class cache {
public:
	cache()
	{
		kmem_cache_args args = {};

		args.align = align;
		args.ctor_try = keep;
		args.dtor = unkeep;
		cache_ = kmem_cache_create_args("message",
						offset + sizeof(message),
						&args, 0);
		if (!cache_)
			throw std::bad_alloc();
	}
	cache(const cache &) = delete;
	cache &operator=(const cache &) = delete;

	~cache()
	{
		if (kmem_cache_destroy(cache_))
			std::abort();	// a message outlives its cache
	}

	static kmem_cache *get()
	{
		static cache messages;	// made at the first message

		return messages.cache_;
	}

private:
	kmem_cache *cache_;
};

void *message::operator new(std::size_t)
{
	void *object = kmem_cache_alloc(cache::get(), GFP_KERNEL);

	if (!object)
		throw std::bad_alloc();
	return static_cast<char *>(object) + offset;
}

// Also when the constructor throws.
void message::operator delete(void *object)
{
	if (object)
		kmem_cache_free(cache::get(),
				static_cast<char *>(object) - offset);
}

kept *message::own() const
{
	const char *object = reinterpret_cast<const char *>(this) - offset;

	return std::launder(
		reinterpret_cast<kept *>(const_cast<char *>(object)));
}

int main()
{
	const std::string line(1000, 'x');
	std::size_t grown;

	{
		auto first = std::make_unique<message>("everybody");

		if (first->room() < 256)
			return 1;
		first->append(line);
		grown = first->room();
	}
	const int made = kept::nr;

	for (int i = 0; i < 1000; i++) {
		auto next = std::make_unique<message>("somebody");

		// The object used last is used next, with its buffer.
		if (next->size() != 0 || next->room() != grown) {
			std::puts("a buffer did not stay");
			return 1;
		}
		next->append(line);
	}
	if (kept::nr != made) {
		std::puts("something was made once more");
		return 1;
	}
	return 0;
}
