/* hash.h - a hash for tables of other people's words: its key is drawn once in a process, so nobody can choose words that collide.  No
 * output may depend on it.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef GP_HASH_H
#define GP_HASH_H

#include <stddef.h>
#include <stdint.h>

/* SipHash-1-3 (Aumasson and Bernstein, 2012). */
uint64_t gp_siphash(const uint64_t key[2], const void *data, size_t n);
/* The same under the process's key; may be called from any thread. */
uint64_t gp_hash(const void *data, size_t n);

#endif
