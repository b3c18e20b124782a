/* shards.h - the index of a checkpoint that is split over several files.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef GP_SHARDS_H
#define GP_SHARDS_H

#include "weights/tensors.h"

typedef struct gp_shards {
    char **file; /* sorted, each once */
    size_t n_file;
    void *root; /* the JSON text */
} gp_shards;

/* FORMAT errors: JSON, no weight_map, a file name that leads out of the folder. */
gopro_status gp_shards_read(gp_shards *s, const char *path, gopro_error *err);
gopro_status gp_shards_parse(gp_shards *s, const char *text, size_t size, const char *label, gopro_error *err);
void gp_shards_free(gp_shards *s);

/* Every tensor of the index is there, and no other. */
gopro_status gp_shards_check(const gp_shards *s, const gp_tensors *t, const char *label, gopro_error *err);

#endif
