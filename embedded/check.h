/* check.h - verifies prepared data, and writes down whose drawings they are.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef GE_CHECK_H
#define GE_CHECK_H

#include "bench.h"
#include "pretrain.h"

/* Reads DEST back from its files: parts of a dataset share no drawing and no artist's concept, pretraining and benchmark share no artist
 * and no near-duplicate, counts are those of index.tsv, licences are recorded.  The number of mistakes, each said on stderr. */
size_t ge_check(const char *dest, const char *tables);

/* One artist or company on both sides of sets.tsv; their number. */
size_t ge_shared_artists(const ge_sets *s);

/* DEST/LICENSES.md from every set's info.json. */
void ge_licenses_write(const ge_sets *s, const char *cache, const char *tables, const char *dest, bool pretrain);

#endif
